// A proxy in a process that may have few file descriptors; its limits and its upstream are told as arguments.
import { closeSync, openSync } from "node:fs";
import { createConsola } from "consola";
import { createProxy } from "plugboard";
import { roundRobin, staticTargets } from "plugboard/plugins";

const [limits, url] = process.argv.slice(2);
const log = createConsola({
  level: 3,
  reporters: [{ log: ({ type, args }) => process.send({ line: `${type}: ${args.join(" ")}` }) }],
});
const files = [];

const orders = {
  /** Takes all descriptors that are left. */
  fill() {
    try {
      for (;;) files.push(openSync("/dev/null"));
    } catch {} // None is left.
  },
  free() {
    for (const file of files.splice(0)) closeSync(file);
  },
  target() {
    const [pool] = proxy.pools();
    const [target] = pool.snapshot.all;
    return { ...target.live, available: pool.snapshot.available.length };
  },
};

const proxy = await createProxy(
  { limits: JSON.parse(limits), plugins: [staticTargets({ targets: [{ id: "a", url }] }), roundRobin()] },
  { log },
);
process.on("message", ({ order }) => process.send({ answer: orders[order]() ?? null }));
process.on("disconnect", () => process.exit());
const { port } = await proxy.listen();
process.send({ answer: port });
