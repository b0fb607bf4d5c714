import assert from "node:assert/strict";
import type { Plugin } from "../plugin.ts";
import { type Asked, type ObserverRig, type Seen, tellingThrows, withObserver } from "./observer-rig.ts";
import type { Test } from "./plugin.ts";

export interface ObserverSuite {
  readonly test: Test;
  /** A new plugin for each case. What writes gives its lines to `write`; what does not leaves it alone. */
  readonly create: (write: (line: string) => void) => Plugin;
  /** Paths of the pages that the plugin serves; what they show is looked at too. @default none */
  readonly pages?: readonly string[];
}

const json = { "content-type": "application/json" };

/** Requests whose exchanges end in every way that a client can bring about. */
const requests: readonly Asked[] = [
  { path: "/json" },
  { path: "/json", method: "HEAD" },
  { path: "/empty" },
  { path: "/error" },
  { path: "/missing" },
  { path: "/stream" },
  { path: "/cut" },
  { path: "/echo", method: "POST", headers: json, body: '{"a":1}' },
  { path: "/a/../b" },
];

const requestSecrets = {
  path: "/json?api_key=canary-of-a-query&canary-of-a-name",
  method: "POST",
  headers: {
    ...json,
    authorization: "Bearer canary-of-a-token",
    "proxy-authorization": "Basic canary-of-a-proxy",
    "x-api-key": "canary-of-a-key",
    cookie: "session=canary-of-a-session",
    referer: "http://example.org/?canary-of-a-referer",
  },
  body: '{"messages":[{"content":"canary-of-a-prompt"}]}',
} satisfies Asked;

/** What a terminal or a line reader acts upon: C0 and C1 controls, line ends, turns of the writing direction. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** Names of models that want to be more than a field of a line. */
const hostile: readonly string[] = [
  "\u001b[2J\u001b]0;pwned\u0007",
  "a\r\nb\nc\rd",
  '"}\n{"status":200,"x":"',
  "\u2028\u2029\u009b2J\u202e",
  "\ud800",
  "\u001b".repeat(9_000),
  "🦙".repeat(9_000),
];

/**
 * Tests the laws that hold for every plugin that only observes: logs, counters, metrics.
 *
 * @example
 * testObserver({ test, create: (write) => accessLog({ write }) });
 */
export function testObserver({ test, create, pages = [] }: ObserverSuite): void {
  test("changes no response", async () => {
    assert.deepEqual(await answers(create(() => undefined)), await answers(undefined));
  });

  test("keeps it from clients when its destination fails", async () => {
    const throws = (): never => {
      throw new Error("the disk is full");
    };
    const expected = await answers(undefined);
    assert.deepEqual(await answers(create(throws)), expected);
    assert.deepEqual(await answers(create(() => Promise.reject(new Error("later")))), expected);
  });

  test("throws nothing, however an exchange ends", async () => {
    const thrown: unknown[] = [];
    const observer = (): Plugin =>
      tellingThrows(
        create(() => undefined),
        (error) => thrown.push(error),
      );
    await withObserver(observer(), async (rig) => {
      for (const asked of requests) await rig.ask(asked);
      await rig.ask({ path: "/hang", leave: true });
      await rig.ended();
    });
    await withObserver(observer(), (rig) => finish(rig, { path: "/json" }), { targets: false });
    assert.deepEqual(thrown, []);
  });

  test("tells no secrets", async () => {
    const lines: string[] = [];
    await withObserver(
      create((line) => lines.push(line)),
      async (rig) => {
        await finish(rig, requestSecrets);
        await finish(rig, { ...requestSecrets, path: requestSecrets.path.replace("/json", "/cut") });
        await finish(rig, { path: "/json", headers: { cookie: "session=canary-of-a-session" } });
        for (const text of [...lines, ...(await show(rig, pages))]) {
          const [canary] = /canary-of[\w-]+/.exec(text) ?? [];
          assert.equal(canary, undefined, `it tells ${canary}: ${text.slice(0, 500)}`);
        }
      },
    );
  });

  test("writes lines that are one line, have no control characters and are at most 4 KiB", async () => {
    const lines: string[] = [];
    await withObserver(
      create((line) => lines.push(line)),
      async (rig) => {
        for (const model of hostile) {
          await finish(rig, { model, path: "/json" });
          await finish(rig, {
            model,
            path: `/${"%1b[2J".repeat(900)}`,
            headers: { "user-agent": "a\u009b2J\u00ff".repeat(900) },
          });
        }
      },
    );
    for (const line of lines) {
      assert.doesNotMatch(line, unprintable);
      assert.ok(Buffer.byteLength(line) <= 4_096, `a line of ${Buffer.byteLength(line)} bytes`);
    }
  });

  test("two instances share nothing", async () => {
    const [one, other]: [string[], string[]] = [[], []];
    const model = "a-model-that-only-one-was-asked-for";
    await withObserver(
      create((line) => one.push(line)),
      (busy) =>
        withObserver(
          create((line) => other.push(line)),
          async (idle) => {
            await finish(busy, { path: "/json", model });
            assert.deepEqual(other, [], "an exchange of one proxy was written by the other");
            for (const page of await show(idle, pages)) assert.ok(!page.includes(model), `a page shows it: ${page}`);
          },
        ),
    );
  });
}

async function finish(rig: ObserverRig, asked: Asked): Promise<void> {
  await rig.ask(asked);
  await rig.ended();
}

/** What a proxy answers to all requests, without what is different each time. */
async function answers(observer: Plugin | undefined): Promise<Seen[]> {
  const seen: Seen[] = [];
  await withObserver(observer, async (rig) => {
    for (const asked of requests) seen.push(await rig.ask(asked));
    await rig.ended();
  });
  return seen.map(({ headers, body, ...rest }) => {
    const plain = body.replace(/"request_id":"[^"]*"/, "");
    // An id may be longer than the one before.
    const told = plain === body ? headers : { ...headers, "content-length": "" };
    return { ...rest, headers: { ...told, date: "" }, body: plain };
  });
}

async function show(rig: ObserverRig, pages: readonly string[]): Promise<string[]> {
  const shown: string[] = [];
  for (const path of pages) shown.push((await rig.ask({ path })).body);
  return shown;
}
