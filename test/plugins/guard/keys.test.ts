import { createHash } from "node:crypto";
import { expect, onTestFinished, test, vi } from "vitest";
import { createProxy, definePlugin, env } from "plugboard";
import { type Client, keys, type KeysOptions } from "plugboard/plugins/guard/keys";
import { stats } from "plugboard/plugins/stats/stats";
import { testPlugin } from "plugboard/testing";
import { testGuard } from "../../../core/testing/guard.ts";
import { type GuardRequest, withGuard } from "../../../core/testing/guard-rig.ts";

const alice = "canary-alice-0123456789";
const bob = "canary-bob-0123456789";
const nobody = "canary-nobody-0123456789";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const bearer = (key: string): GuardRequest => ({ headers: { authorization: `Bearer ${key}` } });

const two: KeysOptions = {
  keys: [
    { name: "alice", hash: sha256(alice) },
    { name: "bob", hash: `sha256:${sha256(bob).toUpperCase()}` },
  ],
};

testPlugin({
  test,
  create: () => keys(two),
  badOptions: [
    { options: {}, says: 'Expected "keys", a "file" of them, or both' },
    { options: { keys: [{ name: "a" }] }, says: "keys.0: Expected either a hash or a key" },
    { options: { keys: [{ name: "a", hash: alice }] }, says: "keys.0.hash: Expected the SHA-256" },
    { options: { keys: [{ name: "a", key: alice }] }, says: "keys.0.key: a key must not be written into a config" },
    { options: { keys: [{ name: "", hash: sha256(alice) }] }, says: "keys.0.name: Expected a name" },
    { options: { keys: [two.keys?.[0], two.keys?.[0]] }, says: "keys.1.hash: the same key stands twice" },
    { options: { keys: [{ ...two.keys?.[0], models: ["a*b"] }] }, says: "keys.0.models.0: Expected a name" },
    { options: { keys: [{ ...two.keys?.[0], expires: "soon" }] }, says: "keys.0.expires: Expected a time" },
    { options: { keys: [{ ...two.keys?.[0], expires: "2027-01-01T10:00" }] }, says: "keys.0.expires: Expected a time" },
    { options: { keys: [{ ...two.keys?.[0], limits: { a: -1 } }] }, says: "keys.0.limits.a: Expected 0 or more" },
    { options: { ...two, headers: ["a b"] }, says: "headers.0: Expected the name of a header" },
    { options: { ...two, open: ["health"] }, says: "open.0: Expected a path" },
    { options: { file: "/nowhere/keys.json" }, says: "file: there is no such file" },
  ],
});

testGuard({
  test,
  create: () => keys(two),
  passes: [
    bearer(alice),
    { headers: { authorization: `bEARER  ${bob}` } },
    { headers: { "x-api-key": alice } },
    { headers: { "api-key": bob } },
    { headers: { "x-goog-api-key": alice } },
    { headers: { "x-api-key": alice, authorization: `Bearer ${alice}` } },
    { headers: { "x-api-key": alice, "x-copy": `copy of ${alice}` } },
  ],
  refuses: [
    { code: "unauthorized" },
    { ...bearer(nobody), code: "unauthorized" },
    { ...bearer(alice.slice(0, -1)), code: "unauthorized" },
    { ...bearer(sha256(alice)), code: "unauthorized" },
    { headers: { authorization: `Basic ${alice}` }, code: "unauthorized" },
    { headers: { "x-api-key": `${alice}, ${alice}` }, code: "unauthorized" },
    { headers: { "proxy-authorization": `Bearer ${alice}` }, code: "unauthorized" },
    { headers: { "x-api-key": alice, "api-key": bob }, code: "invalid_request" },
    { headers: { "x-api-key": alice, authorization: `Bearer ${nobody}` }, code: "invalid_request" },
    { ...bearer(alice), path: `/v1/models?key=${alice}`, code: "invalid_request" },
  ],
  secrets: [alice.slice(0, -1), bob, nobody, sha256(alice)],
});

test("a refusal says which scheme is wanted", () =>
  withGuard(
    () => [keys(two)],
    async ({ ask }) => expect((await ask({})).headers["www-authenticate"]).toBe("Bearer"),
  ));

test("a key that comes from the environment is good, and shows in no problem of the config", async () => {
  vi.stubEnv("GUARD_TEST_KEY", alice);
  vi.stubEnv("GUARD_TEST_SHORT", "canary-short");
  onTestFinished(() => void vi.unstubAllEnvs());
  await withGuard(
    () => [keys({ keys: [{ name: "alice", key: env("GUARD_TEST_KEY") }] })],
    async ({ ask }) => {
      expect((await ask(bearer(alice))).status).toBe(200);
      expect((await ask(bearer(bob))).status).toBe(401);
    },
  );
  const refused = createProxy({ plugins: [keys({ keys: [{ name: "a", key: env("GUARD_TEST_SHORT") }] })] });
  await expect(refused).rejects.toThrow("keys.0.key: a key is at least 16 printable characters");
  await expect(refused).rejects.not.toThrow("canary-short");
});

test("a plain key, or a hash that is none, shows in no problem of the config", async () => {
  const both = { keys: [{ name: "a", key: alice }], headers: [] };
  const faults = [{ keys: [{ name: "a", key: alice }] }, { keys: [{ name: "a", hash: alice }] }, both];
  for (const options of faults) {
    const error = await createProxy({ plugins: [keys(options)] }).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("keys");
    expect(String(error)).not.toContain(alice);
  }
});

test("a key that is too short is good for nobody, whatever its hash", () =>
  withGuard(
    () => [keys({ keys: [{ name: "short", hash: sha256("fifteen-letters") }] })],
    async ({ ask }) => expect((await ask(bearer("fifteen-letters"))).status).toBe(401),
  ));

test("a key is good until the moment that it ends", async () => {
  let time = Date.parse("2030-05-01T10:00:00Z") - 1;
  const own = { name: "alice", hash: sha256(alice), expires: "2030-05-01T12:00:00+02:00" };
  await withGuard(
    () => [keys({ keys: [own], now: () => time })],
    async ({ ask }) => {
      expect((await ask(bearer(alice))).status).toBe(200);
      time += 1;
      const { status, body } = await ask(bearer(alice));
      expect([status, body]).toEqual([401, expect.stringContaining("has expired")]);
    },
  );
});

test("others find the client in a slot, and the limits as they were given", async () => {
  const found: (Client | undefined)[] = [];
  const witness = definePlugin({
    name: "rate-limit",
    setup(proxy) {
      const slot = proxy.slot<Client>("client");
      return { request: (x) => void found.push(slot.get(x)) };
    },
  });
  const own = { name: "alice", hash: sha256(alice), limits: { requests: 60, tokens: 1000 } };
  await withGuard(
    () => [witness(), keys({ keys: [own], open: ["/health"] })],
    async ({ ask }) => {
      await ask(bearer(alice));
      await ask({ ...bearer(alice), path: "/health" });
    },
  );
  expect(found).toEqual([{ name: "alice", limits: { requests: 60, tokens: 1000 } }, undefined]);
});

test("open paths need no key, as they are written and no others; a key does not go on from there either", () =>
  withGuard(
    () => [keys({ ...two, open: ["/health", "/registry/*"] })],
    async ({ ask, upstream }) => {
      for (const path of ["/health", "/registry/", "/registry/leases/1"])
        expect((await ask({ path })).status, path).toBe(200);
      expect((await ask({ path: "/health?deep=1", ...bearer(alice) })).status).toBe(200);
      expect(upstream.at(-1)).not.toContain(alice);
      for (const path of ["/health/", "/healthy", "/registry", "/Health", "//health", "/health;a"])
        expect((await ask({ path })).status, path).toBe(401);
    },
  ));

test("with control: false what plugins answer here needs no key, and what goes to an upstream does, at any path", () =>
  withGuard(
    () => [stats(), keys({ ...two, control: false })],
    async ({ ask }) => {
      const { status: known } = await ask({ path: "/stats" });
      const statuses = [known];
      for (const path of ["/stats/x", "/v1/stats", "/stat"]) statuses.push((await ask({ path })).status);
      expect(statuses).toEqual([200, 401, 401, 401]);
      expect((await ask({ path: "/stats", method: "POST" })).status).toBe(401);
    },
  ));

test("a header that is not looked at is passed on", () =>
  withGuard(
    () => [keys({ ...two, headers: ["X-Proxy-Key"] })],
    async ({ ask, upstream }) => {
      const { status } = await ask({ headers: { "x-proxy-key": alice, authorization: "Bearer the-upstream's-own" } });
      expect(status).toBe(200);
      expect(upstream.at(-1)).toContain("Bearer the-upstream's-own");
      expect(upstream.at(-1)).not.toContain("x-proxy-key");
    },
  ));
