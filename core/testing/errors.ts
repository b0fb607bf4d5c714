import assert from "node:assert/strict";
import { type ErrorCode, errorKinds, ProxyError } from "../errors.ts";
import { definePlugin, type Plugin } from "../plugin.ts";
import { createProxy } from "../proxy.ts";
import type { Test } from "./plugin.ts";

export interface ErrorShapeSuite {
  readonly test: Test;
  /** A new plugin for each case. */
  readonly create: () => Plugin;
  /** What its answers are. @default "json" */
  readonly shape?: "json" | "text";
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

type Ask = (error: ProxyError) => Promise<Answer>;

const codes = Object.keys(errorKinds).filter(isSendable);

const secrets = ["10.9.8.7", "sekret-cause", "sekret-target", "sekret-plugin", "sekret-phase"];
const revealing = {
  cause: silent(new Error("sekret-cause: connect ECONNREFUSED 10.9.8.7:8000")),
  target: "sekret-target",
  plugin: "sekret-plugin",
  phase: "sekret-phase",
};

/**
 * Tests the laws that hold for every plugin that shapes errors.
 *
 * It asks through a proxy of its own, so that a plugin that fails and leaves the answer to core is held to the same
 * laws. What shape the JSON has is the plugin's own business, as long as the message is in it; a text may be any.
 *
 * @example
 * testErrorShape({ test, create: () => openaiErrors() });
 */
export function testErrorShape({ test, create, shape = "json" }: ErrorShapeSuite): void {
  const isText = shape === "text";
  const each = (name: string, law: (code: ErrorCode, ask: Ask) => Promise<void>): unknown =>
    test(name, () =>
      withProxy(create(), async (ask) => {
        for (const code of codes) await law(code, ask);
      }),
    );

  each("gives every error the status of its code", async (code, ask) => {
    assert.equal((await ask(new ProxyError(code, "No."))).status, errorKinds[code].status, code);
  });

  each("gives every error the headers that clients and caches go by", async (code, ask) => {
    const { headers } = await ask(new ProxyError(code, "No."));
    assert.match(headers.get("content-type") ?? "", isText ? /^text\/plain\b/ : /^application\/json\b/, code);
    // What a client sent may stand in a message, and no browser may take it for a page.
    if (isText) assert.equal(headers.get("x-content-type-options"), "nosniff", code);
    assert.equal(headers.get("cache-control"), "no-store", code);
    assert.equal(headers.get("x-proxy-error"), code);
    const { status } = errorKinds[code];
    if (status === 429 || status === 503)
      assert.match(headers.get("retry-after") ?? "", /^\d+$/, `${code}: retry-after`);
    if (status === 405) assert.ok(headers.has("allow"), `${code}: allow (RFC 9110 15.5.6)`);
  });

  if (!isText)
    each("tells the message in valid JSON, whatever is in it", async (code, ask) => {
      const message = `The model "x\\y" \u0000\u0007\u001b[31m\r\n\u2028</script> is not \ud83d\ude00 here.`;
      const { text } = await ask(new ProxyError(code, message));
      assert.ok(strings(parse(text, code)).includes(message), `${code}: the message is not in ${text}`);
    });

  each("tells nothing of the cause, the target, the plugin or the stack", async (code, ask) => {
    const error = new ProxyError(code, "No.", revealing);
    const { headers, text } = await ask(error);
    const told = [...headers].flat().join("\n") + text;
    for (const secret of secrets) assert.ok(!told.includes(secret), `${code}: "${secret}" is in the answer`);
    assert.doesNotMatch(told, /\n? {4}at .*:\d+:\d+|node:internal|\.[jt]s:\d+/, `${code}: a stack is in the answer`);
  });

  each("leaves the error as it was", async (code, ask) => {
    const error = new ProxyError(code, "No.", { target: "t" });
    const before = print(error);
    await ask(error);
    assert.equal(print(error), before);
  });

  test("answers the same error alike in every request and every instance", () =>
    withProxy(create(), (one) =>
      withProxy(create(), async (two) => {
        const error = new ProxyError("no_targets", "No target is available.");
        const answers = [await one(error), await one(error), await two(error), await one(error)];
        const shapeOf = (text: string): string => (isText ? text : keys(parse(text, "no_targets")));
        const shapes = answers.map(({ status, text }) => `${status} ${shapeOf(text)}`);
        assert.equal(new Set(shapes).size, 1, shapes.join("\n"));
      }),
    ));
}

/** A proxy in which every request fails with the error asked about. */
async function withProxy(plugin: Plugin, use: (ask: Ask) => Promise<void>): Promise<void> {
  let next: ProxyError | undefined;
  const failing = definePlugin({
    name: "failing",
    setup: () => ({
      request() {
        throw next;
      },
    }),
  });
  const proxy = await createProxy({ plugins: [failing(), plugin] });
  try {
    await use(async (error) => {
      next = error;
      const response = await proxy.fetch(new Request("http://proxy/v1/chat/completions"));
      return { status: response.status, headers: response.headers, text: await response.text() };
    });
  } finally {
    await proxy.close({ deadline: 0 });
  }
}

function parse(text: string, code: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new assert.AssertionError({ message: `${code}: not JSON: ${text} (${String(cause)})` });
  }
}

/** Core logs the cause of some errors; here that says nothing new, so it is kept short. */
function silent(error: Error): Error {
  error.stack = error.message;
  return error;
}

function strings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(strings) : [];
}

function keys(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.entries(value)
    .map(([key, inner]) => `${key}:{${keys(inner)}}`)
    .join();
}

function print(error: ProxyError): string {
  const fields = Object.entries(Object.getOwnPropertyDescriptors(error));
  return fields.map(([name, { value }]) => `${name}: ${String(value)}`).join("\n");
}

/** 499 is for the log: its client is gone. */
function isSendable(code: string): code is ErrorCode {
  return Object.entries(errorKinds).some(([known, { status }]) => known === code && status !== 499);
}
