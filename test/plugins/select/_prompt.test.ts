import { expect, test } from "vitest";
import type { Exchange } from "plugboard";
import { fresh, long, messages, send } from "./prefix-rig.ts";
import { posting, postingText } from "./select-bodies.ts";

const text = long("apples");
const same: readonly (readonly [string, Exchange])[] = [
  ["other settings", posting({ temperature: 1, messages: messages(text), user: "u", stream: true })],
  ["another order of its fields", posting({ stream: true, messages: messages(text), model: "m" })],
  [
    "a byte order mark and spaces around",
    postingText(`\uFEFF\n { "a":[{"b":"]}"}] , "messages" : ${JSON.stringify(messages(text))} }`),
  ],
];
for (const [what, x] of same) {
  test(`the prompt counts, and not ${what}`, async () => {
    const { targets, selector } = await fresh(3);
    send(selector, targets[2], posting({ messages: messages(text) }));
    expect(selector.pick(targets, x)?.id).toBe("t3");
  });
}

test("tools and system text come before the messages, wherever they stand", async () => {
  const { targets, selector } = await fresh(3);
  const [system, tools] = [long("system"), [{ name: long("tool") }]];
  send(selector, targets[2], posting({ tools, system, messages: messages(long("apples", 100)) }));
  expect(selector.pick(targets, posting({ messages: messages("pears"), system, tools }))?.id).toBe("t3");
  expect(selector.pick(targets, posting({ tools: [], system, messages: messages("pears") }))?.id).toBe("t1");
});

test("the prompt of every API is found", async () => {
  for (const json of [
    { prompt: text },
    { input: text },
    { input: messages(text) },
    { instructions: text, input: "a" },
  ]) {
    const { targets, selector } = await fresh(3);
    send(selector, targets[2], posting(json));
    expect(selector.pick(targets, posting({ ...json, stream: true }))?.id, JSON.stringify(json).slice(0, 30)).toBe(
      "t3",
    );
  }
});

test("what is not JSON, or has no prompt, goes to inner", async () => {
  for (const x of [postingText(text), posting([text]), posting({ text }), postingText(`{"messages": "${text}`)]) {
    const { targets, selector } = await fresh(3);
    send(selector, targets[2], x);
    expect(selector.pick(targets, x)?.id).toBe("t1");
  }
});
