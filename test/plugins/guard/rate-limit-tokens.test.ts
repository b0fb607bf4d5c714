import { once } from "node:events";
import {
  type ClientRequest,
  type IncomingMessage,
  request,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { definePlugin, type Proxy, type ProxyConfig } from "plugboard";
import { jsonUsage, sse, staticTargets } from "plugboard/plugins";
import { expect, test } from "vitest";
import { rateLimit, type RateLimitOptions } from "../../../plugins/guard/rate-limit.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openProxy } from "../../e2e/open-proxy.ts";
import { openUpstream } from "../../e2e/open-upstream.ts";

interface Metered {
  readonly proxy: Proxy;
  readonly url: string;
  /** Asks for a completion of at most so many tokens. */
  post(most?: number, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Tokens that are left, once what was asked before is settled. */
  left(): Promise<number>;
  pass(ms: number): void;
}

const limit = 10_000;

/** As those do that read which model a request means. */
const reading = definePlugin({ name: "reading", setup: (proxy) => proxy.needs({ body: "json" }) });

/** A proxy that limits tokens, and an upstream that answers like this. */
async function metered(
  upstream: RequestListener | string,
  options: RateLimitOptions = {},
  others: ProxyConfig["plugins"] = [jsonUsage(), sse(), reading()],
): Promise<Metered> {
  let time = 0;
  const target = typeof upstream === "string" ? upstream : await openUpstream(upstream);
  const { proxy, url } = await openProxy([
    rateLimit({ tokens: limit, by: "all", now: () => time, ...options }),
    staticTargets({ targets: [target] }),
    ...others,
  ]);
  const post: Metered["post"] = (most, headers = {}) =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "m", ...(most !== undefined && { max_tokens: most }) }),
    });
  return {
    proxy,
    url,
    post,
    pass: (ms) => void (time += ms),
    async left() {
      await eventually(() => expect(proxy.status().active).toBe(0));
      const { steps } = await proxy.explain({ path: "/", method: "POST", body: "" });
      // The one that is explained takes what is held back for an answer.
      return Number(/has (\d+) of \d+ tokens/.exec(JSON.stringify(steps))?.[1]) + (options.reserve ?? 500);
    },
  };
}

const usage = (total: number): string => JSON.stringify({ usage: { prompt_tokens: total, total_tokens: total } });

const telling =
  (body: string, status = 200, type = "application/json"): RequestListener =>
  (_, response) =>
    void response.writeHead(status, { "content-type": type }).end(body);

test("tokens become those that the answer tells, more or fewer than was asked for", async () => {
  for (const spent of [1, 70, 4_000, 9_000]) {
    const { post, left } = await metered(telling(usage(spent)));
    const { status, headers } = await post(1_000);
    expect([status, headers.get("x-ratelimit-limit-tokens")]).toEqual([200, String(limit)]);
    // The estimate: a quarter of the body's bytes, and what it asks for.
    expect(Number(headers.get("x-ratelimit-remaining-tokens"))).toBeLessThan(limit - 1_000);
    expect(Number(headers.get("x-ratelimit-remaining-tokens"))).toBeGreaterThan(limit - 1_050);
    expect(await left()).toBe(limit - spent);
  }
});

test("tokens of a stream are those that its last event tells", async () => {
  const body = `data: {"choices":[]}\n\ndata: ${usage(321)}\n\ndata: [DONE]\n\n`;
  const { post, left } = await metered(telling(body, 200, "text/event-stream"));
  await (await post()).text();
  expect(await left()).toBe(limit - 321);
});

test("an answer that tells no usage is counted as it was estimated", async () => {
  const { post, left } = await metered(telling("{}"), { reserve: 300 });
  await post(1_000);
  const before = await left();
  expect(before).toBeLessThan(limit - 1_000);
  await post();
  expect(before - (await left())).toBe(300 + 4);
});

test.each([
  ["no upstream took it", "http://127.0.0.1:9", 502],
  ["the upstream refused it", telling("{}", 400), 400],
  ["the upstream limits it", telling("{}", 429), 429],
  ["the upstream failed", telling("{}", 500), 500],
])("nothing is counted where %s", async (_, upstream, status) => {
  const { post, left } = await metered(upstream);
  expect((await post(5_000)).status).toBe(status);
  expect(await left()).toBe(limit);
});

test("a count that cannot be one is not believed", async () => {
  for (const told of ["1e300", "-5", '"many"']) {
    const { post, left } = await metered(telling(`{"usage":{"prompt_tokens":${told},"total_tokens":${told}}}`));
    await post(2_000);
    const spent = limit - (await left());
    expect(spent > 1_990 && spent < 2_020, told).toBe(true);
  }
});

test("what would go over is refused before it is sent, and takes neither tokens nor a request", async () => {
  let asked = 0;
  const { post, pass } = await metered(
    (_, response) => {
      asked += 1;
      response.writeHead(200, { "content-type": "application/json" }).end(usage(8_000));
    },
    { requests: 3 },
  );
  expect((await post(100)).status).toBe(200);
  const refused = await post(4_000);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
  expect(refused.headers.get("x-ratelimit-remaining-tokens")).toBe("2000");
  expect(refused.headers.get("x-ratelimit-reset-tokens")).toBe("1m0s");
  expect(await refused.text()).toMatch(/10000 tokens in 60 s: 2000 are left, and this request may use 40\d\d/);
  const next = await post(100);
  expect([next.status, next.headers.get("x-ratelimit-remaining-requests"), asked]).toEqual([200, "1", 2]);
  pass(60_000);
  expect((await post(4_000)).status).toBe(200);
});

test("one that is estimated at more than the limit waits for a whole window", async () => {
  const { post, pass } = await metered(telling(usage(50)));
  expect((await post(1_000_000)).status).toBe(200);
  expect((await post(1_000_000)).status).toBe(429);
  pass(60_000);
  expect((await post(1_000_000)).status).toBe(200);
});

test("what was taken in one window is not given back to the next", async () => {
  const answers: ServerResponse[] = [];
  const { post, left, pass } = await metered((_, response) => void answers.push(response));
  const slow = post(6_000);
  await eventually(() => expect(answers).toHaveLength(1));
  pass(60_000);
  const next = post(6_000);
  await eventually(() => expect(answers).toHaveLength(2));
  for (const answer of answers) answer.setHeader("content-type", "application/json");
  answers[0]?.end(usage(10));
  await (await slow).text();
  answers[1]?.end("{}");
  await (await next).text();
  expect(await left()).toBeLessThan(limit - 5_000);
});

test("where no plugin reads bodies their size counts, and what is held back for an answer", async () => {
  const { post, left } = await metered(telling("{}"), { reserve: 7 }, []);
  await post(5_000);
  expect(await left()).toBe(limit - 7 - Math.ceil('{"model":"m","max_tokens":5000}'.length / 4));
});

test("an upstream's own limits are not shown where the proxy's are, and are elsewhere", async () => {
  const upstream: RequestListener = (_, response) => {
    for (const kind of ["requests", "tokens"])
      for (const what of ["limit", "remaining", "reset"]) response.setHeader(`x-ratelimit-${what}-${kind}`, "77");
    response.end("{}");
  };
  const { post } = await metered(upstream);
  const { headers } = await post(0);
  expect(headers.get("x-ratelimit-limit-tokens")).toBe(String(limit));
  expect(headers.get("x-ratelimit-reset-tokens")).toBe("1m0s");
  expect(headers.get("x-ratelimit-limit-requests")).toBe("77");
});

test("so many at once, and a place is free again when one has ended, or its client is gone", async () => {
  const answers: ServerResponse[] = [];
  const { url, proxy } = await metered((_, response) => void answers.push(response), { concurrent: 2 });
  const ask = (): ClientRequest =>
    request(url, { agent: false })
      .on("error", () => undefined)
      .end();
  const first = ask();
  const second = ask();
  await eventually(() => expect(answers).toHaveLength(2));
  const refused = await fetch(url);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  expect(await refused.text()).toContain("The limit is 2 requests at once.");
  const ended = once(first, "response") as Promise<[IncomingMessage]>;
  for (const answer of answers) answer.write("a");
  const [answer] = await ended;
  answer.resume();
  // It has not ended with its head.
  expect((await fetch(url)).status).toBe(429);
  answers[0]?.end();
  second.destroy();
  await eventually(() => expect(proxy.status().active).toBe(0));
  const again = [ask(), ask()];
  await eventually(() => expect(answers).toHaveLength(4));
  expect((await fetch(url)).status).toBe(429);
  for (const each of again) each.destroy();
  await eventually(() => expect(proxy.status().active).toBe(0));
});
