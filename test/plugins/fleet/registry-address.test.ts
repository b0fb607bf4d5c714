import type { LookupAddress } from "node:dns";
import { addressRules } from "plugboard";
import { createPlaceCheck, type Place } from "plugboard/plugins/fleet/_registry-address";
import { describe, expect, test } from "vitest";
import { startRegistry } from "./registry-rig.ts";

type Resolve = NonNullable<Parameters<typeof addressRules>[1]>;

/** A DNS that knows these names, and no other. */
function dns(names: Readonly<Record<string, readonly string[]>>): Resolve {
  const resolve = (
    name: string,
    _: object,
    callback: (error: Error | null, found: readonly LookupAddress[]) => void,
  ): void => {
    const found = Object.hasOwn(names, name) ? names[name] : undefined;
    if (found === undefined) callback(Object.assign(new Error(`no ${name}`), { code: "ENOTFOUND" }), []);
    else
      callback(
        null,
        found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
  };
  return resolve as unknown as Resolve;
}

const known = dns({
  localhost: ["127.0.0.1", "::1"],
  "inside.example": ["10.1.2.3", "fd12::1"],
  "outside.example": ["93.184.216.34"],
  "mixed.example": ["10.1.2.3", "169.254.169.254"],
  "metadata.google.internal": ["169.254.169.254"],
  "mapped.example": ["::ffff:169.254.169.254"],
});

const why = createPlaceCheck(addressRules(["loopback", "private"], known));

describe("a URL that a service may not be at", () => {
  test.each([
    // Metadata, link-local, this host, broadcast and multicast, in all their spellings.
    "http://169.254.169.254/latest/meta-data",
    "http://169.254.169.254:80",
    "http://0xa9fea9fe/",
    "http://2852039166/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://169.254.169.254./",
    "http://１６９.254.169.254/",
    "http://169。254。169。254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://0.0.0.0:8001",
    "http://0:8001",
    "http://[::]:8001",
    "http://255.255.255.255/",
    "http://224.0.0.1/",
    "http://[ff02::1]/",
    // Elsewhere on the internet.
    "http://8.8.8.8/",
    "http://134744072/",
    "http://0x08080808/",
    "https://[2606:4700::1111]/",
    "http://[::ffff:8.8.8.8]/",
    "http://outside.example/",
    "http://OUTSIDE.example./",
    "http://mixed.example/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://metadata.google.internal./",
    "http://mapped.example/",
    // Not http.
    "https:/127.0.0.1",
    "http:127.0.0.1",
    "http:///127.0.0.1",
    "//127.0.0.1/",
    "127.0.0.1:8001",
    "localhost",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "unix:/var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "ws://127.0.0.1/",
    "javascript:alert(1)",
    "data:text/plain,x",
    // Credentials, queries and fragments.
    "http://user:password@127.0.0.1/",
    "http://@127.0.0.1/",
    "http://:@127.0.0.1/",
    "http://127.0.0.1@169.254.169.254/",
    "http://169.254.169.254#@127.0.0.1/",
    "http://127.0.0.1/?a=b",
    "http://127.0.0.1?",
    "http://127.0.0.1/#a",
    // What parsers do not agree on.
    "http://127.0.0.1\\@169.254.169.254/",
    "http:\\\\127.0.0.1",
    "http://127.0.0.1/a b",
    "http://127.0.0.1\t/",
    "http://127.0.0.1/\r\nx-header: 1",
    "\u0000http://127.0.0.1",
    " http://127.0.0.1",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:8001:80/",
    "http://[::1/",
    "http://[::1%25lo]:8001/",
    "http://%31%32%37.0.0.1 /",
    "http:// /",
    // Paths that go elsewhere.
    "http://127.0.0.1/v1/../admin",
    "http://127.0.0.1/v1/.",
    "http://127.0.0.1/v1/%2e%2e/admin",
    "http://127.0.0.1/v1/%2E/admin",
    "http://127.0.0.1/v1/.%2e",
    "http://127.0.0.1/v1%2f..%2fadmin",
    "http://127.0.0.1/v1/%5c",
    "http://127.0.0.1/v1/%252e%252e/",
    "http://127.0.0.1/v1/..;/admin",
    "http://127.0.0.1//admin",
    "http://127.0.0.1/v1//admin",
    "http://127.0.0.1/%00",
    "http://127.0.0.1/%0d%0a",
    "http://127.0.0.1/%",
    "http://127.0.0.1/%ff",
    // Ports where something else listens.
    "http://127.0.0.1:22/",
    "http://127.0.0.1:25/",
    "http://127.0.0.1:0/",
    "https://127.0.0.1:6667/",
    `http://127.0.0.1/${"x".repeat(2_048)}`,
  ])("is %j", async (url) => {
    expect(await why({ url })).toMatch(/^url: /);
  });
});

describe("a URL that a service may be at", () => {
  test.each([
    "http://127.0.0.1:8001",
    "http://127.1.2.3/",
    "http://0x7f000001:8001",
    "http://2130706433/",
    "http://[::1]:8001/v1",
    "http://[::ffff:127.0.0.1]:8001",
    "http://10.0.0.7:8000/v1/",
    "https://192.168.1.2/openai/v1",
    "http://100.64.0.9:8000",
    "http://[fd12:3456::7]:8000",
    "http://localhost:8001",
    "http://localhost.:8001",
    "http://LOCALHOST:8001",
    "http://inside.example:8000/v1",
    "http://not-there-yet.example:8000",
    "http://model_server:8000",
    "http://127.0.0.1:8001/a%20b",
    "http://127.0.0.1:8001/v1.0/~x",
  ])("is %j", async (url) => {
    expect(await why({ url })).toBeUndefined();
  });
});

test.each([
  ["169.254.169.254", "host: 169.254.169.254 is link-local"],
  ["0xa9fea9fe", "host: 169.254.169.254 is link-local"],
  ["[::ffff:169.254.169.254]", "host: "],
  ["::ffff:a9fe:a9fe", "host: "],
  ["fe80::1", "host: fe80::1"],
  ["fe80::1%eth0", "host: "],
  ["8.8.8.8", "host: 8.8.8.8 is not in loopback, private"],
  ["outside.example", "host: "],
  ["mixed.example", "host: "],
  ["127.0.0.1:22", "host: "],
  ["127.0.0.1/x", "host: "],
  ["user@127.0.0.1", "host: "],
  ["127.0.0.1?x", "host: "],
  ["127.0.0.1#x", "host: "],
  ["a b", "host: "],
  ["", "host: "],
])("the host %j is refused beside a URL that is not", async (host, says) => {
  const refused = await why({ host, port: 8001, url: "http://127.0.0.1:8001" });
  expect(refused?.startsWith(says)).toBe(true);
});

test.each(["127.0.0.1", "::1", "[::1]", "localhost", "10.0.0.7", "inside.example", "not-there-yet", "node_1"])(
  "the host %j is taken",
  async (host) => {
    expect(await why({ host, port: 8001, url: "http://127.0.0.1:8001" })).toBeUndefined();
  },
);

test("a port where no HTTP is spoken is refused", async () => {
  for (const port of [1, 22, 25, 110, 2049, 6000, 10_080]) expect(await why({ port })).toMatch(/^port: /);
  for (const port of [80, 443, 3000, 8000, 65_535]) expect(await why({ port })).toBeUndefined();
});

test("any address may be allowed, and metadata is none", async () => {
  const any = createPlaceCheck(addressRules(["any"], known));
  const open: Place[] = [{ url: "http://8.8.8.8/" }, { url: "http://outside.example/" }];
  for (const place of open) expect(await any(place)).toBeUndefined();
  for (const url of ["http://169.254.169.254/", "http://metadata.google.internal/", "http://[fe80::1]/"])
    expect(await any({ url })).toMatch(/^url: /);
});

test("a service is refused when it registers and when it moves, in words that name the field", async () => {
  const { register, call } = await startRegistry();
  const refused = await register({ url: "http://169.254.169.254/" });
  expect(refused).toMatchObject({ status: 422, body: { error: expect.stringMatching(/^url: 169\.254\.169\.254 is/) } });
  expect((await register({ host: "169.254.169.254" })).status).toBe(422);
  await register();
  for (const patch of [{ url: "http://8.8.8.8/" }, { host: "8.8.8.8" }, { port: 22 }])
    expect((await call("PUT", "/services/a", patch)).status).toBe(422);
  expect((await call("GET", "/services/a")).body).toMatchObject({ url: "http://127.0.0.1:8001", port: 8001 });
});

describe("a service that says it is on all its addresses is where it registered from", () => {
  test.each([
    ["0.0.0.0", "http://0.0.0.0:8001", "http://127.0.0.1:8001"],
    ["0.0.0.0", "http://0.0.0.0:8001/v1", "http://127.0.0.1:8001/v1"],
    ["::", "http://[::]:8001", "http://127.0.0.1:8001"],
    ["0.0.0.0", "http://127.0.0.2:8001", "http://127.0.0.2:8001"],
  ])("%s and %s become %s", async (host, url, expected) => {
    const { register, call } = await startRegistry();
    const answer = await register({ host, url });
    expect(answer).toMatchObject({ status: 201, body: { service: { host: "127.0.0.1", url: expected } } });
    const moved = await call("PUT", "/services/a", { host, url });
    expect(moved).toMatchObject({ status: 200, body: { service: { host: "127.0.0.1", url: expected } } });
  });

  test("but not where only its URL does", async () => {
    const { register } = await startRegistry();
    expect((await register({ url: "http://0.0.0.0:8001" })).status).toBe(422);
  });
});
