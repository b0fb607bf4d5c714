// A proxy that refuses what it has no room for, in a process that a test fills up.
import { closeSync, openSync } from "node:fs";
import { getHeapSpaceStatistics } from "node:v8";
import { createConsola } from "consola";
import { definePlugin, createProxy } from "plugboard";
import { overload } from "plugboard/plugins/load/overload";
import { roundRobin, staticTargets } from "plugboard/plugins";

const [url] = process.argv.slice(2);
const log = createConsola({
  level: 3,
  reporters: [{ log: ({ type, args }) => process.send({ line: `${type}: ${args.join(" ")}` }) }],
});
const health = definePlugin({ name: "health", setup: (proxy) => proxy.route("GET", "/health", () => "well") });
const objects = [];
const files = [];

const orders = {
  /** Fills the old generation up to this share, with time for others in between. */
  async heap(share) {
    const isBelow = () => {
      const old = getHeapSpaceStatistics().filter(({ space_name: name }) => !name.startsWith("new_"));
      return old.reduce((sum, { space_used_size: size }) => sum + size, 0) < 256 * 1024 * 1024 * share;
    };
    while (isBelow()) {
      for (let count = 0; count < 5; count++) objects.push(Array.from({ length: 1_000 }, (_, i) => ({ i })));
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
  files(share) {
    while ((files.at(-1) ?? 0) < 256 * share) files.push(openSync("/dev/null"));
  },
  free() {
    objects.length = 0;
    for (const file of files.splice(0)) closeSync(file);
  },
};

const targets = [{ url }];
const proxy = await createProxy({ plugins: [health(), overload(), staticTargets({ targets }), roundRobin()] }, { log });
process.on("message", async ({ order, argument }) => process.send({ answer: (await orders[order](argument)) ?? null }));
process.on("disconnect", () => process.exit());
const { port } = await proxy.listen();
process.send({ answer: port });
