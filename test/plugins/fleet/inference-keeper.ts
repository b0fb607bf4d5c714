// Runs a proxy with the inference control as the JSON in its argument says, until it is killed; writes where it listens.
import { createProxy } from "../../../core/index.ts";
import { inferenceControl, type InferenceControlOptions } from "../../../plugins/fleet/inference-control.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as InferenceControlOptions;
const proxy = await createProxy({ plugins: [inferenceControl(options)] });
const { url } = await proxy.listen();
process.stdout.write(`listens at ${url}\n`);
