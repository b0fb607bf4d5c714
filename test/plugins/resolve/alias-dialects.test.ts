import type { Plugin } from "plugboard";
import { alias } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { describe, expect, test } from "vitest";
import { count, open, type Stage } from "./stage.ts";

const chat = "/v1/chat/completions";
const messages = "/v1/messages";
const targets = {
  a: { models: ["x"], labels: { provider: "p" }, meta: { dialects: ["openai"] } },
  b: { models: ["x"], labels: { provider: "p" }, meta: { dialects: ["anthropic", "openai"] } },
  c: { models: ["x"], labels: { provider: "p" } },
};

async function ask({ ask: askOne, seen }: Stage, name: string, path: string): Promise<Record<string, number>> {
  seen.length = 0;
  for (let i = 0; i < 6; i++)
    expect(await askOne({ body: JSON.stringify({ model: name }), path })).toMatchObject({ status: 200 });
  return count(seen);
}

describe.each<[string, string, Plugin]>([
  ["an alias", "fast", alias({ fast: { targets: [{ model: "x" }] } })],
  [
    "an alias of groups",
    "fast",
    alias({ fast: { groups: [{ targets: [{ model: "x" }] }, { targets: [{ model: "x" }] }] } }),
  ],
  ["a name with a star", "my-x", alias({ "my-*": { targets: [{ model: "*" }] } })],
  ["a provider's model", "p/x", alias()],
  ["a model", "x", model()],
])("%s leads to targets that speak as the client does", (_, name, plugin) => {
  test("where they tell how they speak; who tells nothing speaks anything", async () => {
    const stage = await open({ targets, plugins: [roundRobin(), plugin] });
    expect(await ask(stage, name, messages)).toEqual({ b: 3, c: 3 });
    expect(await ask(stage, name, chat)).toEqual({ a: 2, b: 2, c: 2 });
  });

  test("only where one of the pool does, whenever that is", async () => {
    const silent = { a: { ...targets.a, meta: {} }, c: targets.c };
    const stage = await open({ targets: silent, found: true, plugins: [roundRobin(), plugin] });
    expect(await ask(stage, name, messages)).toEqual({ a: 3, c: 3 });
    await stage.find({ a: targets.a, c: targets.c });
    expect(await ask(stage, name, messages)).toEqual({ c: 6 });
  });
});

test("requests without a model go to those that speak as the client does too", async () => {
  const stage = await open({ targets, plugins: [roundRobin(), model()] });
  for (let i = 0; i < 4; i++) await stage.ask({ body: "{}", path: messages });
  expect(count(stage.seen)).toEqual({ b: 2, c: 2 });
});

test("explain says who does not, and a request that nobody speaks is a 503", async () => {
  const { proxy, ask: askOne } = await open({
    targets: { a: targets.a, b: targets.b },
    plugins: [roundRobin(), model()],
  });
  const { candidates } = await proxy.explain({ path: messages, body: '{"model":"x"}' });
  expect(candidates.map(({ id, kept, reason }) => [id, kept || reason])).toEqual(
    expect.arrayContaining([
      ["a", "does not speak anthropic"],
      ["b", true],
    ]),
  );
  const path = "/v1beta/models/x:generateContent";
  expect(await askOne({ body: '{"model":"x"}', path })).toMatchObject({ status: 503, code: "no_targets" });
});
