import { once } from "node:events";
import { get } from "node:https";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { createAuthority } from "../../certificates.ts";
import { dial, filesOf, greet, protocolVersion, secured, shownTo, told, write } from "./tls-rig.ts";

const authority = createAuthority();
const days = 90;
const one = authority.issue({ names: ["one.test"], days });
const two = authority.issue({ names: ["two.test", "*.wild.test"], days });
const other = authority.issue({ names: ["one.test"], days });

describe("a server", () => {
  test("is trusted by those who trust who vouches for it, and answers", async () => {
    const { port } = await secured(filesOf(authority.issue({ days })));
    const request = get({ host: "127.0.0.1", port, ca: authority.cert, agent: false });
    const [response] = await once(request, "response");
    expect(await text(response)).toBe("hello");
  });

  test("opens an encrypted key with its passphrase", async () => {
    const locked = authority.issue({ names: ["one.test"], days, passphrase: "open sesame" });
    const { port, lines } = await secured({ ...filesOf(locked), passphrase: "open sesame" });
    expect(await shownTo(port)).toBe(locked.cert);
    expect(lines).toEqual([]);
  });

  test("sends the certificates of its issuers, too", async () => {
    const { port } = await secured(filesOf({ cert: one.cert + authority.cert, key: one.key }));
    const socket = await dial(port, { servername: "one.test" });
    expect(socket.getPeerX509Certificate()?.issuerCertificate?.toString()).toBe(authority.cert);
  });

  test("speaks HTTP/1.1 with those who would rather have HTTP/2", async () => {
    const { port } = await secured(filesOf(one));
    expect((await dial(port, { alpn: ["h2", "http/1.1"] })).alpnProtocol).toBe("http/1.1");
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("speaks %s", async (version) => {
    const { port } = await secured([filesOf(one), filesOf(two)]);
    const socket = await dial(port, { maxVersion: version, servername: "two.test" });
    expect(socket.getProtocol()).toBe(version);
    expect(socket.getPeerX509Certificate()?.toString()).toBe(two.cert);
  });

  test("speaks nothing older, after a change of its files neither", async () => {
    const files = filesOf(one);
    const kept = await secured(files);
    expect(await greet(kept.port, 0x0302)).toEqual(protocolVersion);
    write(files, other);
    await told(kept, "shows a new certificate");
    expect(await greet(kept.port, 0x0302)).toEqual(protocolVersion);
    // One that is new enough is answered by a handshake.
    expect((await greet(kept.port, 0x0303))[0]).toBe(0x16);
  });
});

describe("of several certificates", () => {
  test.each([
    ["one.test", one],
    ["two.test", two],
    ["TWO.test", two],
    ["a.wild.test", two],
    ["A.Wild.Test", two],
    ["wild.test", one],
    ["a.b.wild.test", one],
    [".wild.test", one],
    ["nobody.test", one],
    ["", one],
  ])("the right one is shown to who asks for %j", async (servername, { cert }) => {
    const { port } = await secured([filesOf(one), filesOf(two)]);
    expect(await shownTo(port, servername)).toBe(cert);
  });

  test("the first of those that fit is shown", async () => {
    const { port } = await secured([filesOf(two), filesOf(other), filesOf(one)]);
    expect(await shownTo(port, "one.test")).toBe(other.cert);
  });

  test("a later one is taken in anew, and the others stay", async () => {
    const [first, second] = [filesOf(one), filesOf(two)];
    const kept = await secured([first, second]);
    const renewed = authority.issue({ names: ["two.test"], days });
    write(second, renewed);
    await told(kept, "shows a new certificate for two.test, valid until");
    expect(await shownTo(kept.port, "two.test")).toBe(renewed.cert);
    expect(await shownTo(kept.port, "one.test")).toBe(one.cert);
    expect(kept.lines).toHaveLength(1);
  });
});
