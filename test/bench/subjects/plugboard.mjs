import { createProxy } from "../../../dist/core/index.js";
import * as plugins from "../../../dist/plugins/index.js";
import { alias, upstreamModel } from "../traffic.mjs";
import { announce, targets, variant } from "./announce.mjs";

const staticTargets = plugins.staticTargets({ targets: targets.map((url) => ({ url, models: [upstreamModel] })) });

/** The plugins a user gets without asking: everything but the log of each request. */
const llm = () => [
  staticTargets,
  plugins.activeHealth({ path: "/v1/models", interval: 5_000 }),
  plugins.roundRobin(),
  plugins.model(),
  plugins.alias({ [alias]: { targets: [{ model: upstreamModel }] } }),
  plugins.models(),
  plugins.sse(),
  plugins.openaiErrors(),
  plugins.stats(),
];

const proxy = await createProxy({ plugins: variant === "llm" ? llm() : [staticTargets, plugins.roundRobin()] });
const { port } = await proxy.listen();
announce(port);
