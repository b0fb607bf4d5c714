import type { lookup } from "node:dns";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { addressRules, createProxy, isAddressRange } from "plugboard";
import { activeHealth, staticTargets, stats } from "plugboard/plugins";
import { describe, expect, onTestFinished, test } from "vitest";

const everything = addressRules(["any"]);
const inside = addressRules(["loopback", "private"]);

test.each([
  "169.254.169.254",
  "169.254.0.1",
  "::ffff:169.254.169.254",
  "::ffff:a9fe:a9fe",
  "fe80::1",
  "fe80::1%eth0",
  "fd00:ec2::254",
  "100.100.100.200",
  "192.0.0.192",
  "0.0.0.0",
  "0.1.2.3",
  "::",
  "::7f00:1",
  "::127.0.0.1",
  "64:ff9b::a9fe:a9fe",
  "2002:a9fe:a9fe::1",
  "224.0.0.1",
  "255.255.255.255",
  "ff02::1",
])("%s is refused whatever is allowed", (address) => {
  expect(everything.refuse(address)).toContain("link-local, metadata or no host's address");
});

test.each(["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "fd12::1"])(
  "%s is inside",
  (address) => expect(inside.refuse(address)).toBeUndefined(),
);

test.each(["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8", "128.0.0.1"])("%s is outside", (address) => {
  expect(inside.refuse(address)).toContain("is not in loopback, private");
  expect(everything.refuse(address)).toBeUndefined();
});

test("without any range nothing is allowed", () => {
  expect(addressRules([]).refuse("127.0.0.1")).toBe("127.0.0.1 is not in any allowed range");
});

test("the host of a URL is judged as far as it is an address", () => {
  expect(inside.refuseHost(new URL("http://0x7f000001/").hostname)).toBeUndefined();
  expect(inside.refuseHost(new URL("http://2852039166/").hostname)).toContain("169.254.169.254 is link-local");
  expect(inside.refuseHost(new URL("http://[::ffff:8.8.8.8]/").hostname)).toContain("8.8.8.8 is not in");
  expect(inside.refuseHost("example.test")).toBeUndefined();
});

test("ranges are told from what is none", () => {
  expect(["10.0.0.0/8", "::1", "any", "loopback", "private", "fd00::/8"].every(isAddressRange)).toBe(true);
  expect(["10.0.0.0/33", "localhost", "", "10.0.0", "constructor", "1.2.3.4/-1"].some(isAddressRange)).toBe(false);
  expect(() => addressRules(["10.0.0.0/33"])).toThrow("10.0.0.0/33 is no address range");
});

describe("a name is looked up for each connection", () => {
  type Found = { address: string; family: number }[];

  function ask(found: Found, all: boolean): Promise<unknown> {
    const resolve = ((_name: string, _options: object, callback: (error: null, found: Found) => void) =>
      callback(null, found)) as unknown as typeof lookup;
    return new Promise((done) => {
      addressRules(["loopback"], resolve).lookup("name.test", { all }, (error, address) => done(error ?? address));
    });
  }

  test("and what it leads to is passed on", async () => {
    const found = [{ address: "127.0.0.1", family: 4 }];
    expect(await ask(found, true)).toEqual(found);
    expect(await ask(found, false)).toBe("127.0.0.1");
  });

  test("one address that is not allowed spoils all", async () => {
    const found = [
      { address: "127.0.0.1", family: 4 },
      { address: "169.254.169.254", family: 4 },
    ];
    expect(await ask(found, true)).toMatchObject({ code: "EBLOCKED" });
    expect(await ask([], true)).toMatchObject({ code: "EBLOCKED" });
  });
});

describe("a target with addresses", () => {
  async function upstream(): Promise<{ port: number; hits: () => number }> {
    let hits = 0;
    const server = createServer((_req, res) => void res.end(String(++hits)));
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    return { port: (server.address() as AddressInfo).port, hits: () => hits };
  }

  test("is reached where it may be", async () => {
    const { port } = await upstream();
    const url = `http://localhost:${port}`;
    const proxy = await createProxy({ plugins: [staticTargets({ targets: [{ url, addresses: ["loopback"] }] })] });
    onTestFinished(() => proxy.close());
    expect((await proxy.fetch(new Request("http://proxy/"))).status).toBe(200);
  });

  test("is neither asked nor probed where its name leads elsewhere", async () => {
    const { port, hits } = await upstream();
    const url = `http://localhost:${port}`;
    const targets = staticTargets({ targets: [{ url, addresses: ["private"] }] });
    const bare = await createProxy({ plugins: [targets] });
    onTestFinished(() => bare.close());
    const answer = await bare.fetch(new Request("http://proxy/"));
    expect(answer.status).toBe(502);
    expect(await answer.text()).not.toContain("localhost");

    const probed = await createProxy({ plugins: [targets, activeHealth({ path: "/" }), stats()] });
    onTestFinished(() => probed.close());
    expect(probed.pools()[0]?.snapshot.available).toEqual([]);
    expect(hits()).toBe(0);
  });

  test("is refused at once when its address may not be used", async () => {
    const url = "http://169.254.169.254";
    const proxy = await createProxy({ plugins: [staticTargets({ targets: [{ url, addresses: ["any"] }] })] });
    onTestFinished(() => proxy.close());
    expect(proxy.status().stale[0]?.error).toContain("target http://169.254.169.254 may not be at 169.254.169.254");
  });

  test("a range that is none is a problem of the config", async () => {
    const targets = [{ url: "http://127.0.0.1:1", addresses: ["10.0.0.0/33"] }];
    await expect(createProxy({ plugins: [staticTargets({ targets })] })).rejects.toThrow(/targets\.0\.addresses\.0/);
  });
});
