// Keeps the backends given as JSON in its argument, until it is killed: for tests of what is left then.
import { createProxy } from "../../../core/index.ts";
import { babysitter, type BackendOptions } from "../../../plugins/fleet/babysitter.ts";

const backends = JSON.parse(process.argv[2] ?? "[]") as BackendOptions[];
const proxy = await createProxy({ plugins: [babysitter({ backends })] });
if (process.argv[3] === "throw") {
  setInterval(() => {
    if (proxy.pools()[0]?.snapshot.available.length === backends.length) throw new Error("this keeper breaks");
  }, 20);
}
