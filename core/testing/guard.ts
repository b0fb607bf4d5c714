import assert from "node:assert/strict";
import { type ErrorCode, errorKinds } from "../errors.ts";
import type { Plugin } from "../plugin.ts";
import { type GuardAsked, type GuardRequest, type GuardRig, type GuardSeen, withGuard } from "./guard-rig.ts";
import type { Test } from "./plugin.ts";

export type { GuardRequest } from "./guard-rig.ts";

export interface GuardRefusal extends GuardRequest {
  /** Of the error that it is told by. */
  readonly code: ErrorCode;
}

export interface GuardSuite {
  readonly test: Test;
  /** A new plugin with the same options for each case. */
  readonly create: () => Plugin;
  /** Requests that it lets through. Those to a path or by a method of their own are tried by these only. */
  readonly passes: readonly GuardRequest[];
  /** Requests that it refuses. @default none: it never refuses */
  readonly refuses?: readonly GuardRefusal[];
  /** What may be in no answer, log, explanation or request to an upstream, such as the keys in these requests. @default none */
  readonly secrets?: readonly string[];
}

type Rigged = (name: string, law: (rig: GuardRig, suite: Required<GuardSuite>) => Promise<void>) => void;

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const websocket = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** Spellings of one path, and paths that some proxies keep open. */
const oddPaths = ["/", "/health", "/v1/models", "//", "/V1/chat", "/v1/chat/", "/v1;x=1/chat", "/?a=/health", "/a%20b"];

/** Beside what a request says of itself. */
const oddHeaders: readonly Readonly<Record<string, string>>[] = [
  { authorization: "" },
  { authorization: "Bearer" },
  { authorization: "Bearer  a  b" },
  { authorization: `Basic ${"QQ".repeat(4_000)}` },
  { authorization: "\u00ff\u0080\u00fe" },
  { "x-api-key": "a, b", "api-key": "", "x-goog-api-key": "\t" },
  { origin: "null" },
  { origin: "://[::" },
  {
    origin: `https://${"a.".repeat(4_000)}`,
    "access-control-request-method": "\u00e9",
    "access-control-request-headers": "\u00e9",
  },
  { "x-request-id": "\u00e9 <script>" },
  { "x-request-id": "i".repeat(9_000) },
  { "x-forwarded-for": "not an address, ,;::" },
  { __proto__x: "1", constructor: "1", "has-own-property": "1", tostring: "1" },
  { cookie: "=;=;;", host: "localhost" },
];

/**
 * Tests the laws that hold for every plugin that guards: that lets requests in, refuses or marks them.
 *
 * It asks through a proxy of its own that believes `x-forwarded-for`, on real sockets.
 *
 * @example
 * const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
 * testGuard({
 *   test,
 *   create: () => keys({ keys: [{ name: "alice", hash: sha256("alice's key, of her own") }] }),
 *   passes: [bearer("alice's key, of her own")],
 *   refuses: [{ code: "unauthorized" }, { ...bearer("what somebody guessed"), code: "unauthorized" }],
 *   secrets: ["alice's key, of her own", "what somebody guessed"],
 * });
 */
export function testGuard(given: GuardSuite): void {
  const suite: Required<GuardSuite> = { refuses: [], secrets: [], ...given };
  const rigged: Rigged = (name, law) =>
    suite.test(name, () =>
      withGuard(
        () => [suite.create()],
        (rig) => law(rig, suite),
      ),
    );
  testPassing(rigged);
  if (suite.refuses.length > 0) testRefusing(rigged);
  testEither(rigged);
}

function testPassing(rigged: Rigged): void {
  rigged("lets a request through, with its body as it came", async (rig, { passes }) => {
    const body = '{"model":"a",  "n":12345678901234567890}';
    for (const each of passes) {
      const seen = await rig.ask({
        method: "POST",
        ...each,
        headers: { ...each.headers, "content-type": "text/x" },
        body,
      });
      assert.equal(seen.status, 200, told(each, seen));
      assert.equal(seen.body, `got ${body}`, told(each, seen));
      assert.ok(rig.upstream.at(-1)?.endsWith(body), "the upstream got another body");
    }
  });

  rigged("lets it through by any method, to control routes too, and after a reload", async (rig, { passes }) => {
    for (const each of passes.filter(({ method, path }) => method === undefined && path === undefined)) {
      for (const method of methods) {
        const seen = await rig.ask({ ...each, method });
        assert.equal(seen.status, 200, told({ ...each, method }, seen));
        assert.ok(seen.headers["x-suite-upstream"], `${method} was not answered by the upstream`);
      }
      const before = rig.controls();
      assert.equal((await rig.ask({ ...each, path: "/suite-control" })).status, 200);
      await rig.reload();
      assert.equal((await rig.ask({ ...each, path: "/suite-control" })).status, 200);
      assert.equal(rig.controls(), before + 2);
    }
  });
}

function testRefusing(rigged: Rigged): void {
  rigged("refuses in core's words, and not as if it were the page", async (rig, { refuses }) => {
    for (const each of refuses) await refused(rig, each);
  });

  rigged("refuses by any method, and whatever the path", async (rig, { refuses }) => {
    for (const each of refuses) {
      for (const method of each.method === undefined ? methods : []) await refused(rig, each, { method });
      for (const path of each.path === undefined ? oddPaths : []) await refused(rig, each, { path });
    }
  });

  rigged("refuses an upgrade", async (rig, { refuses }) => {
    for (const each of refuses) {
      if (each.method !== undefined) continue;
      await refused(rig, each, { headers: { ...each.headers, ...websocket } });
    }
  });

  rigged("refuses before a control route is run", async (rig, { refuses }) => {
    for (const each of refuses.filter(({ path }) => path === undefined)) {
      for (const method of each.method === undefined ? ["GET", "HEAD"] : [])
        await refused(rig, each, { method, path: "/suite-control" });
    }
    assert.equal(rig.controls(), 0);
  });

  rigged("refuses before the body is read, and does not ask for it", async (rig, { refuses }) => {
    for (const each of refuses) {
      await refused(rig, each, { method: each.method ?? "POST", withheld: 1_000_000 });
      const headers = { ...each.headers, expect: "100-continue" };
      const seen = await refused(rig, each, { method: each.method ?? "POST", headers, withheld: 1_000_000 });
      assert.ok(!seen.continued, "it asked for the body of a request that it refused");
    }
  });

  rigged("refuses again after what it let through, and after a reload", async (rig, { passes, refuses }) => {
    for (let round = 0; round < 2; round++) {
      for (const each of refuses) {
        for (const good of passes) await rig.ask(good);
        const before = rig.upstream.length;
        assert.equal((await rig.ask(each)).status, errorKinds[each.code].status);
        assert.equal(rig.upstream.length, before, "what was refused reached the upstream");
      }
      await rig.reload();
    }
  });

  rigged("is not talked out of it by odd headers", async (rig, { refuses }) => {
    for (const each of refuses) {
      for (const odd of oddHeaders) {
        const seen = await rig.ask({ ...each, headers: { ...odd, ...each.headers } });
        assert.ok(seen.status >= 400 && seen.status < 500, told({ ...each, headers: odd }, seen));
      }
    }
    assert.deepEqual(rig.upstream, [], "what was refused reached the upstream");
  });
}

function testEither(rigged: Rigged): void {
  rigged("answers whatever headers it gets, and never fails", async (rig, { passes }) => {
    for (const method of ["GET", "OPTIONS"]) {
      for (const odd of oddHeaders) {
        for (const each of [{}, ...passes]) {
          const headers = { ...each.headers, ...odd };
          const seen = await rig.ask({ method, ...each, headers });
          assert.ok(seen.status >= 200 && seen.status < 500, told({ method, headers }, seen));
        }
      }
    }
    assert.doesNotMatch(rig.log(), /threw|plugin_error|internal_error/);
  });

  rigged("tells no secret to the client, the upstream, the log or an explanation", async (rig, suite) => {
    const all: string[] = [];
    for (const each of [...suite.passes, ...suite.refuses]) {
      const { method, path, headers } = each;
      const { status, headers: got, body } = await rig.ask(each);
      all.push(JSON.stringify([status, got, body]));
      const asked = { ...(method !== undefined && { method }), ...(headers !== undefined && { headers }) };
      const explained = await rig.proxy.explain({ path: path ?? "/v1/chat/completions", ...asked });
      all.push(JSON.stringify(explained));
    }
    all.push(JSON.stringify(rig.proxy.status()), rig.log(), ...rig.upstream);
    for (const secret of suite.secrets)
      for (const text of all) assert.ok(!text.includes(secret), `the secret "${secret}" is in ${text}`);
  });
}

/** Asks for it, and checks that it was refused as it has to be. */
async function refused(rig: GuardRig, { code, ...request }: GuardRefusal, other: GuardAsked = {}): Promise<GuardSeen> {
  const asked = { ...request, ...other };
  const before = rig.upstream.length;
  const seen = await rig.ask(asked);
  assert.equal(seen.status, errorKinds[code].status, told(asked, seen));
  assert.equal(seen.headers["x-proxy-error"], code, told(asked, seen));
  assert.equal(seen.headers["cache-control"], "no-store", told(asked, seen));
  assert.equal(rig.upstream.length, before, `${told(asked, seen)}: what was refused reached the upstream`);
  return seen;
}

function told({ method = "GET", path = "", headers }: GuardRequest, { status, body }: GuardSeen): string {
  return `${method} ${path} ${JSON.stringify(headers ?? {}).slice(0, 300)} was answered ${status} ${body.slice(0, 300)}`;
}
