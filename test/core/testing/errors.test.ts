import { expect, test } from "vitest";
import { definePlugin, errorKinds, type Hooks, type Plugin, type ProxyError, type Reply } from "plugboard";
import { testErrorShape } from "plugboard/testing";

type Shape = Hooks["error"];

function shaping(makeShape: () => Shape): () => Plugin {
  return definePlugin({ name: "shaping", setup: () => ({ error: makeShape() }) });
}

function reply(error: ProxyError, changes: Partial<Reply> = {}): Reply {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-proxy-error": error.code,
  };
  if (error.status === 429 || error.status === 503) headers["retry-after"] = "2";
  if (error.status === 405) headers.allow = "GET";
  return {
    status: error.status,
    headers,
    body: JSON.stringify({ fault: { text: error.message } }),
    ...changes,
  };
}

function without(error: ProxyError, header: string): Reply {
  const { [header]: _, ...headers } = reply(error).headers ?? {};
  return reply(error, { headers });
}

const plain = (shape: (error: ProxyError) => Reply) => (): Shape => (_x, error) => shape(error);

function casesOf(create: () => Plugin): Map<string, () => unknown> {
  const cases = new Map<string, () => unknown>();
  testErrorShape({ test: (name, run) => cases.set(name, run), create });
  return cases;
}

const status = "gives every error the status of its code";
const headers = "gives every error the headers that clients and caches go by";
const message = "tells the message in valid JSON, whatever is in it";
const secrets = "tells nothing of the cause, the target, the plugin or the stack";
const untouched = "leaves the error as it was";
const alike = "answers the same error alike in every request and every instance";

// The suite on a shape of its own, and on a plugin that leaves all to core.
testErrorShape({
  test: (name, run) => test(`another shape ${name}`, run),
  create: shaping(plain((error) => reply(error))),
});
testErrorShape({
  test: (name, run) => test(`core ${name}`, run),
  create: definePlugin({ name: "none", setup: () => ({}) }),
});

test.each<[string, string, () => Shape]>([
  ["answers 200", status, plain((error) => reply(error, { status: 200 }))],
  ["mistakes one code", status, plain((error) => reply(error, error.code === "stream_idle" ? { status: 500 } : {}))],
  [
    "answers in HTML",
    headers,
    plain((error) => reply(error, { headers: { ...reply(error).headers, "content-type": "text/html" } })),
  ],
  ["may be cached", headers, plain((error) => without(error, "cache-control"))],
  ["does not name the code", headers, plain((error) => without(error, "x-proxy-error"))],
  ["gives no time to retry", headers, plain((error) => without(error, "retry-after"))],
  ["names no methods", headers, plain((error) => without(error, "allow"))],
  ["builds JSON by hand", message, plain((error) => reply(error, { body: `{"error":"${error.message}"}` }))],
  ["keeps the message to itself", message, plain((error) => reply(error, { body: '{"error":"oops"}' }))],
  [
    "escapes twice",
    message,
    plain((error) => reply(error, { body: JSON.stringify({ error: JSON.stringify(error.message) }) })),
  ],
  [
    "tells the cause",
    secrets,
    plain((error) => reply(error, { body: JSON.stringify({ error: error.message, cause: String(error.cause) }) })),
  ],
  ["tells the target", secrets, plain((error) => reply(error, { body: JSON.stringify(error) }))],
  [
    "tells the plugin in a header",
    secrets,
    plain((error) => reply(error, { headers: { ...reply(error).headers, "x-by": error.plugin ?? "" } })),
  ],
  [
    "tells the stack",
    secrets,
    plain((error) => reply(error, { body: JSON.stringify({ error: error.message, at: error.stack }) })),
  ],
  [
    "tells the cause of one code",
    secrets,
    plain((error) =>
      reply(error, error.code === "dns_error" ? { body: JSON.stringify([error.message, String(error.cause)]) } : {}),
    ),
  ],
  ["changes the error", untouched, plain((error) => reply(Object.assign(error, { message: `${error.message}!` })))],
  [
    "changes its shape from request to request",
    alike,
    () => {
      let count = 0;
      return (_x, error) => reply(error, { body: JSON.stringify({ [`error${count++}`]: error.message }) });
    },
  ],
])("a plugin that %s does not pass: %s", async (_fault, law, makeShape) => {
  await expect(casesOf(shaping(makeShape)).get(law)?.()).rejects.toThrow();
});

test("two instances that share state do not pass", async () => {
  let count = 0;
  const create = shaping(() => {
    const name = `error${count++}`;
    return (_x, error) => reply(error, { body: JSON.stringify({ [name]: error.message }) });
  });
  await expect(casesOf(create).get(alike)?.()).rejects.toThrow();
});

test("every law has a plugin above that breaks it", () => {
  const laws = [...casesOf(shaping(plain((error) => reply(error)))).keys()];
  expect(laws.toSorted()).toEqual([status, headers, message, secrets, untouched, alike].toSorted());
  expect(Object.keys(errorKinds).length).toBeGreaterThan(30);
});
