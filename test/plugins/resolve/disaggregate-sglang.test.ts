import { describe, expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { deferred } from "../../wire/waiting.ts";
import { openPair as openAnyPair, type Pair } from "./_disaggregate-pair.ts";
import { chat, counts, type StageOptions } from "./_disaggregate-stage.ts";

const protocol = "sglang";

function openPair(bootstrapPort: number | null = 8998, stage: StageOptions = {}): Promise<Pair> {
  return openAnyPair(stage, { protocol, bootstrapPort });
}

describe("a room", () => {
  // The workers check that both got the same bytes, what is in them, and that no number comes twice.
  test.each([
    ["/v1/chat/completions", "a chat", chat],
    ["/v1/chat/completions", "a stream", { ...chat, stream: true }],
    ["/v1/chat/completions", "a chat of three", { ...chat, n: 3 }],
    ["/v1/completions", "a prompt", { model: "m", prompt: "one" }],
    ["/v1/completions", "a list of prompts", { model: "m", prompt: ["one", "two"] }],
    ["/v1/completions", "a list of one", { model: "m", prompt: ["one"] }],
    ["/v1/completions", "a prompt of tokens", { model: "m", prompt: [1, 2, 3] }],
    ["/v1/completions", "prompts of tokens", { model: "m", prompt: [[1, 2, 3], [4]] }],
    ["/generate", "a text", { text: "one" }],
    ["/generate", "a list of texts", { text: ["one", "two", "three"] }],
    ["/generate", "tokens", { input_ids: [1, 2, 3] }],
    ["/generate", "lists of tokens", { input_ids: [[1, 2], [3]], stream: true }],
  ])("%s: for %s", async (path, _what, body) => {
    const { room, ask, prefill, decode } = await openPair();
    const { status, text } = await ask(body, { path });
    expect(status, text).toBe(200);
    expect(text).not.toContain("P");
    expect(counts(prefill, decode)).toEqual({ P: 1, D: 1 });
    expect(room.meetings.lone()).toEqual([]);
    room.expectNoComplaints();
  });

  test("has the port that the target says, or none", async () => {
    const { room, ask } = await openPair(null);
    expect((await ask(chat)).status).toBe(200);
    room.expectNoComplaints();
  });

  test("has the port of the options where the target says none", async () => {
    const { room, ask } = await openPair(4321, {
      options: { bootstrapPort: 4321 },
      specs: { P: { meta: { role: "prefill", protocol } } },
    });
    expect((await ask(chat)).status).toBe(200);
    room.expectNoComplaints();
  });

  test("has the port that a label says", async () => {
    const labels = { role: "prefill", protocol, bootstrapPort: "4321" };
    const { room, ask } = await openPair(4321, { specs: { P: { meta: {}, labels } } });
    expect((await ask(chat)).status).toBe(200);
    room.expectNoComplaints();
  });
});

test("both phases run at once, and each counts as load of its own", async () => {
  const { ask, live, prefill, decode } = await openPair();
  const [first, second] = [deferred(), deferred()];
  prefill.next({ until: first.promise });
  decode.next({ until: second.promise });
  const answer = ask(chat);
  await eventually(() => expect(counts(prefill, decode)).toEqual({ P: 1, D: 1 }));
  expect([live(prefill).inflight, live(decode).inflight]).toEqual([1, 1]);
  first.resolve();
  second.resolve();
  expect((await answer).status).toBe(200);
  await eventually(() => expect([live(prefill).inflight, live(decode).inflight]).toEqual([0, 0]));
});
