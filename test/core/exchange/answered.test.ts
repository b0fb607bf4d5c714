import { expect, onTestFinished, test, vi } from "vitest";
import { postHead } from "../../wire/messages.ts";
import { openWire, type Wire, type WireOptions } from "../../wire/open-wire.ts";
import { counter, deferred, within } from "../../wire/waiting.ts";
import { memUpstream } from "../mem-upstream.ts";
import { hooks } from "../quick-plugin.ts";
import { type OutcomeLog, outcomeLog } from "./outcome-log.ts";

// An exchange that was answered by an error goes on until its client has sent what it had to send, for a second at most.
// What was still under way when it was answered must not reach an upstream.

interface Late {
  readonly wire: Wire;
  readonly log: OutcomeLog;
}

/** A POST whose body does not come until it was answered with 504; after that comes `then`, and its body. */
async function tooLate(options: WireOptions, then: () => void = () => {}): Promise<Late> {
  const log = outcomeLog();
  const wire = await openWire(undefined, { ...options, plugins: [...(options.plugins ?? []), log.plugin] });
  const client = await wire.client();
  await client.send(postHead("/late", 5));
  expect((await client.head()).status).toBe(504);
  then();
  await client.send("hello");
  await within(log.ended(1), "the exchange ends");
  return { wire, log };
}

function expectNothingSent({ wire, log }: Late): void {
  expect(log.attempts).toEqual([]);
  expect(log.ends).toMatchObject([{ kind: "local", status: 504, error: { code: "total_timeout" } }]);
  expect(wire.upstream.peers).toHaveLength(0);
}

test("a request that was too late is not sent when its body comes after all", async () => {
  expectNothingSent(await tooLate({ timeouts: { total: 80 } }));
});

test("a request that was too late is not sent when a plugin lets it in after all", async () => {
  const queue = deferred();
  const queued = hooks({ admit: () => queue.promise });
  expectNothingSent(await tooLate({ timeouts: { total: 80 }, plugins: [queued] }, queue.resolve));
});

test("a request that was too late is not sent when a plugin is ready with it after all", async () => {
  const signing = deferred();
  const log = outcomeLog();
  const signer = hooks({ upstreamRequest: () => signing.promise });
  const wire = await openWire(undefined, { timeouts: { total: 80 }, plugins: [signer, log.plugin] });
  const client = await wire.client();
  // A part of the body starts the attempt, the rest is what the answer waits for.
  await client.send(postHead("/late", 10) + "hello");
  expect((await client.head()).status).toBe(504);
  signing.resolve();
  await client.send("hello");
  await within(log.ended(1), "the exchange ends");
  expect(log.attempts).toEqual([]);
  expect(wire.upstream.peers).toHaveLength(0);
});

test("a request that was too late while it waited for another attempt gets none", async () => {
  const log = outcomeLog();
  const refused = counter();
  const refuse = memUpstream(
    ({ sink }) => {
      sink.error(new Error("refused"));
      refused.add();
    },
    ["a", "b", "c"].map((id) => ({ url: `mem://${id}` })),
  );
  const wire = await openWire([], { timeouts: { total: 100 }, plugins: [refuse, log.plugin] });
  const client = await wire.client();
  // The pauses before another attempt are over when the test says so.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  await client.send(postHead("/late", 10) + "hello");
  await refused.reached(1);
  vi.advanceTimersToNextTimer();
  await refused.reached(2);
  expect((await client.head()).status).toBe(504);
  vi.advanceTimersToNextTimer();
  vi.useRealTimers();
  await client.send("hello");
  await within(log.ended(1), "the exchange ends");
  expect(log.attempts.map(({ kind }) => kind)).toEqual(["connect", "connect"]);
});
