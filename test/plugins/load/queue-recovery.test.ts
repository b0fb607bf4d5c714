import { definePlugin, type Outcome } from "plugboard";
import { expect, test } from "vitest";
import { queue } from "../../../plugins/load/queue.ts";
import { eventually } from "../../e2e/eventually.ts";
import { closedUrl } from "../../wire/closed-port.ts";
import { openQueue, type QueueStage, type QueueStageOptions } from "./queue-stage.ts";

const targets = { a: {}, b: {} };

/** A stage whose targets are all down. */
async function openDown(options: Partial<QueueStageOptions> = {}, forMs?: number): Promise<QueueStage> {
  const stage = await openQueue({ targets, plugins: [queue()], ...options });
  for (const id of Object.keys(options.targets ?? targets)) stage.reporter.down(id, "the test says so", forMs);
  await eventually(() => expect(stage.proxy.pools()[0]?.snapshot.available).toEqual([]));
  return stage;
}

test("requests wait for the first target that recovers, and go on in the order they came", async () => {
  const stage = await openDown();
  const answers: Promise<{ status: number }>[] = [];
  for (let i = 0; i < 4; i++) {
    answers.push(stage.ask(`/${i}`));
    await stage.admitted.reached(i + 1);
  }
  stage.reporter.up("b");
  const order: string[] = [];
  for (let i = 0; i < 4; i++) {
    const held = await stage.next();
    order.push(`${held.path} on ${held.target}`);
    held.answer();
  }
  expect(order).toEqual(["/0 on b", "/1 on b", "/2 on b", "/3 on b"]);
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("a cool-down that ends in time is waited for", async () => {
  const stage = await openDown({}, 500);
  const answer = stage.ask("/1");
  await stage.recovering.reached(1);
  (await stage.next()).answer();
  expect((await answer).status).toBe(200);
});

test("a cool-down that lasts longer than a request may wait is told at once", async () => {
  const stage = await openDown({ plugins: [queue({ wait: 5_000 })] }, 60_000);
  expect(await stage.ask("/1")).toEqual({ status: 503, code: "cooling_down", retryAfter: "60" });
});

test("a request whose time is up is told what it waited for", async () => {
  const stage = await openDown({ plugins: [queue({ wait: 20 })] });
  expect(await stage.ask("/1")).toEqual({ status: 503, code: "no_targets", retryAfter: "1" });
});

test("a full line of a route that is down is a 503", async () => {
  const stage = await openDown({ plugins: [queue({ size: 1 })] });
  const first = stage.ask("/1");
  await stage.recovering.reached(1);
  expect((await stage.ask("/2")).code).toBe("no_targets");
  stage.reporter.up("a");
  (await stage.next()).answer();
  expect((await first).status).toBe(200);
});

test("only what `for` names is waited for", async () => {
  const stage = await openDown({ plugins: [queue({ for: ["room"] })] });
  expect((await stage.ask("/1")).code).toBe("no_targets");
  const busy = await openQueue({ plugins: [queue({ for: ["recovery"] })] });
  const first = busy.ask("/1");
  const held = await busy.next();
  expect((await busy.ask("/2")).code).toBe("overloaded");
  held.answer();
  expect((await first).status).toBe(200);
});

test("what no target will ever take is not waited for", async () => {
  const nobody = Object.freeze([]);
  const none = definePlugin({ name: "none", setup: () => ({ candidates: () => nobody }) });
  const stage = await openQueue({ targets, plugins: [queue(), none()] });
  expect((await stage.ask("/1")).code).toBe("no_targets");
});

test("a request that could not connect waits until its target, taken down for it, is back", async () => {
  const url = await closedUrl();
  const strict = definePlugin({
    name: "strict",
    setup(proxy) {
      const reporter = proxy.reporter("strict");
      return {
        attemptEnd(_x: unknown, { id }: { id: string }, { kind }: Outcome) {
          if (kind === "connect") reporter.down(id, "refused");
          return undefined;
        },
      };
    },
  });
  const stage = await openQueue({
    targets: { gone: { url }, other: {} },
    plugins: [queue(), strict()],
  });
  stage.reporter.down("other", "the test says so");
  await eventually(() => expect(stage.proxy.pools()[0]?.snapshot.available).toHaveLength(1));
  const answer = stage.ask("/1");
  await stage.recovering.reached(1);
  stage.reporter.up("other");
  const held = await stage.next();
  expect(held.target).toBe("other");
  held.answer();
  expect((await answer).status).toBe(200);
});

test("a request that could not connect to a target that is still up is not held", async () => {
  const url = await closedUrl();
  const stage = await openQueue({ targets: { gone: { url } }, plugins: [queue()] });
  expect((await stage.ask("/1")).code).toBe("connect_failed");
});
