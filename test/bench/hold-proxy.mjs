// A proxy of `npm run bench -- hold`, with the plugins that an LLM deployment has.
import { createProxy } from "../../dist/core/index.js";
import { leastConnections, openaiErrors, sse, staticTargets, stats } from "../../dist/plugins/index.js";

const targets = process.argv.slice(2).map((url) => ({ url, maxConnections: 20_000 }));
const proxy = await createProxy({
  plugins: [staticTargets({ targets }), leastConnections(), sse(), openaiErrors(), stats()],
});
const { port } = await proxy.listen();
process.on("message", () => process.send({ active: proxy.status().active }));
process.send({ port });
