import { describe, expect, test } from "vitest";
import { definePlugin, type Exchange, type HookMap, type Plugin, ProxyError, type Setup } from "plugboard";
import { type GuardSuite, testGuard } from "../../../core/testing/guard.ts";
import { failures } from "./failures.ts";

const good = "canary-of-a-good-pass";
const bad = "canary-of-a-bad-pass";
const pass = (text: string): { headers: Record<string, string> } => ({ headers: { "x-pass": text } });

const requests: Omit<GuardSuite, "test" | "create"> = {
  passes: [pass(good)],
  refuses: [{ code: "unauthorized", ...pass(bad) }, { code: "unauthorized" }],
  secrets: [good, bad],
};

const isGood = (x: Exchange): boolean => x.headers["x-pass"] === good;

function refuse(message = "No."): never {
  throw new ProxyError("unauthorized", message);
}

function check(x: Exchange): undefined {
  return isGood(x) ? undefined : refuse();
}

function strip(x: Exchange): void {
  delete x.upstream.headers["x-pass"];
}

type Make = (right: Required<Pick<HookMap, "request" | "upstreamRequest">>, proxy: Setup) => HookMap;

/** The smallest guard that is right, but for what `make` does in its place. */
function guard(make: Make = (right) => right): () => Plugin {
  return definePlugin({
    name: "tiny",
    setup: (proxy) => make({ request: check, upstreamRequest: strip }, proxy),
  });
}

const fails = (create: () => Plugin, other = requests): Promise<string[]> =>
  failures((run) => testGuard({ test: run, create, ...other }));

describe("the suite passes", () => {
  test("one that lets in who has a pass", async () => {
    expect(await fails(guard())).toEqual([]);
  });

  test("one that answers by a promise", async () => {
    expect(await fails(guard((right) => ({ ...right, request: async (x) => check(x) })))).toEqual([]);
  });

  test("one that never refuses", async () => {
    expect(await fails(definePlugin({ name: "none", setup: () => ({}) }), { passes: [{}] })).toEqual([]);
  });
});

const laws = {
  again: "refuses again after what it let through, and after a reload",
  any: "lets it through by any method, to control routes too, and after a reload",
  body: "lets a request through, with its body as it came",
  control: "refuses before a control route is run",
  early: "refuses before the body is read, and does not ask for it",
  everywhere: "refuses by any method, and whatever the path",
  headers: "answers whatever headers it gets, and never fails",
  odd: "is not talked out of it by odd headers",
  secret: "tells no secret to the client, the upstream, the log or an explanation",
  upgrade: "refuses an upgrade",
  words: "refuses in core's words, and not as if it were the page",
};

/** Lets in what `also` says. */
const unless =
  (also: (x: Exchange) => boolean): Make =>
  (right) => ({ ...right, request: (x) => (also(x) ? undefined : check(x)) });

describe("the suite fails a guard that", () => {
  const broken: readonly (readonly [string, Make, string])[] = [
    ["lets everybody in", unless(() => true), laws.words],
    ["lets nobody in", (right) => ({ ...right, request: () => refuse() }), laws.body],
    ["answers in words of its own", (right) => ({ ...right, request: own }), laws.words],
    ["throws whatever it likes", (right) => ({ ...right, request: boom }), laws.words],
    ["lets HEAD in", unless((x) => x.method === "HEAD"), laws.everywhere],
    ["lets OPTIONS in", unless((x) => x.method === "OPTIONS"), laws.everywhere],
    ["keeps a path open", unless((x) => x.path === "/health"), laws.everywhere],
    ["looks for a path in the query", unless((x) => x.search.includes("/health")), laws.everywhere],
    ["lets upgrades in", unless((x) => x.headers.upgrade !== undefined), laws.upgrade],
    [
      "asks for a pass when the target is known",
      ({ upstreamRequest }) => ({ upstreamRequest, admit: check }),
      laws.control,
    ],
    ["reads the body first", reading, laws.early],
    [
      "asks when the upstream has answered",
      ({ upstreamRequest }) => ({ upstreamRequest, upstreamResponse: late }),
      laws.words,
    ],
    ["remembers that somebody was let in", remembering, laws.again],
    ["forgets its task with a reload", forgetful, laws.again],
    ["lets in who says that he is trusted", unless((x) => x.headers["has-own-property"] === "1"), laws.odd],
    ["is unsettled by bytes that are no letters", (right) => ({ ...right, request: strict }), laws.headers],
    ["is unsettled by a long header", (right) => ({ ...right, request: short }), laws.headers],
    [
      "lets only POST in",
      (right) => ({ ...right, request: (x) => (x.method === "POST" ? check(x) : refuse()) }),
      laws.any,
    ],
    ["sends another body", (right) => ({ ...right, upstreamRequest: edit }), laws.body],
    ["sends the pass on", ({ request }) => ({ request }), laws.secret],
    ["tells the client its pass", (right) => ({ ...right, request: telling }), laws.secret],
    ["shows the pass in a header", (right) => ({ ...right, request: showing }), laws.secret],
    [
      "logs the pass",
      (right, proxy) => ({ ...right, request: (x) => (proxy.log.info(x.headers), check(x)) }),
      laws.secret,
    ],
    ["explains the pass", (right) => ({ ...right, request: noting }), laws.secret],
  ];

  for (const [what, make, law] of broken) {
    test(what, async () => {
      expect(await fails(guard(make))).toContain(law);
    });
  }
});

function own(x: Exchange): { status: number; body: string } | undefined {
  return isGood(x) ? undefined : { status: 401, body: "no" };
}

function boom(x: Exchange): undefined {
  if (!isGood(x)) throw new Error("no");
  return undefined;
}

function late(x: Exchange): undefined {
  return check(x);
}

function reading({ upstreamRequest }: HookMap, proxy: Setup): HookMap {
  proxy.needs({ body: 2_000_000 });
  return { upstreamRequest, inspect: check };
}

function remembering(right: HookMap): HookMap {
  const seen = new Set<string | undefined>();
  const request = (x: Exchange): undefined => {
    if (isGood(x)) seen.add(x.ip);
    else if (!seen.has(x.ip)) refuse();
    return undefined;
  };
  return { ...right, request };
}

function forgetful(right: HookMap, proxy: Setup): HookMap {
  const rounds = proxy.keep("rounds", () => ({ count: 0 }));
  rounds.count += 1;
  return rounds.count > 1 ? { upstreamRequest: right.upstreamRequest } : right;
}

function strict(x: Exchange): undefined {
  for (const value of Object.values(x.headers)) encodeAscii(String(value));
  return check(x);
}

function encodeAscii(text: string): void {
  if (/[^\t -~]/.test(text)) throw new RangeError("no letter");
}

function short(x: Exchange): undefined {
  if (String(x.headers["x-request-id"]).length > 1_000) throw new RangeError("too long");
  return check(x);
}

function edit(x: Exchange): void {
  strip(x);
  if (x.upstream.body !== null) x.upstream.body = Buffer.from("{}");
}

function telling(x: Exchange): undefined {
  return isGood(x) ? undefined : refuse(`${String(x.headers["x-pass"])} is not good.`);
}

function showing(x: Exchange): undefined {
  x.node.res.setHeader("x-client", String(x.headers["x-pass"]));
  return check(x);
}

function noting(x: Exchange): undefined {
  x.notes?.push(`the pass is ${String(x.headers["x-pass"])}`);
  return check(x);
}
