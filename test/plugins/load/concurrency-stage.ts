import { definePlugin, type Plugin } from "plugboard";
import type { Answer, QueueStage } from "./queue-stage.ts";

export const targets = { any: {} };

/** Names the client by a header, as a guard would by a key, and the route by the first part of the path. */
export const named: () => Plugin = definePlugin({
  name: "named",
  setup(proxy) {
    const client = proxy.slot<{ name: string; limits?: Record<string, number> }>("client");
    const routes = new Map(["slow", "fast"].map((name) => [name, proxy.createRoute({ name })]));
    const rest = proxy.createRoute({ name: "rest" });
    return {
      resolve(x) {
        const name = x.headers["x-client"];
        const own = x.headers["x-limit"];
        if (typeof name === "string")
          client.set(x, { name, ...(own !== undefined && { limits: { concurrency: Number(own) } }) });
        return routes.get(x.path.split("/")[1] ?? "") ?? rest;
      },
    };
  },
});

/** Asks one after the other, each when the one before is in its place or in line. */
export async function askInOrder(
  stage: QueueStage,
  asked: readonly (readonly [string, string?])[],
): Promise<Promise<Answer>[]> {
  const answers: Promise<Answer>[] = [];
  for (const [path, client] of asked) {
    const before = stage.admitted.count;
    answers.push(stage.ask(path, client === undefined ? {} : { headers: { "x-client": client } }));
    await stage.admitted.reached(before + 1);
  }
  return answers;
}
