import { describe, expect, test } from "vitest";
import type { TargetTls } from "plugboard";
import { Connections } from "../../../core/targets/connections.ts";
import { toTargetFields } from "../../../core/targets/target.ts";
import { readTls } from "../../../core/targets/tls.ts";
import { createAuthority, createSelfSigned, pemFiles } from "../../certificates.ts";

const authority = createAuthority();
const [one, other] = [authority.issue(), authority.issue()];
const locked = authority.issue({ passphrase: "right" });

function files(): ReturnType<typeof pemFiles<keyof typeof contents>> {
  return pemFiles(contents);
}

const contents = {
  ca: authority.cert,
  cert: one.cert,
  key: one.key,
  otherKey: other.key,
  lockedCert: locked.cert,
  lockedKey: locked.key,
  text: "nothing",
  damaged: authority.cert.replace(/\n[A-Za-z0-9+/]{40}/, "\n"),
  two: authority.cert + createSelfSigned().cert,
};

test.each<[string, (file: ReturnType<typeof files>) => TargetTls, RegExp]>([
  ["a file that is not there", () => ({ ca: "/none/ca.pem" }), /tls\.ca \/none\/ca\.pem, which does not exist/],
  ["a folder", () => ({ ca: "/" }), /tls\.ca \/, which cannot be read: EISDIR/],
  [
    "a CA file without certificates",
    ({ text }) => ({ ca: text }),
    /tls\.ca .*text\.pem, in which there is no certificate/,
  ],
  ["a damaged certificate", ({ damaged }) => ({ ca: damaged }), /tls\.ca .*in which a certificate is damaged/],
  ["a key as CA file", ({ key }) => ({ ca: key }), /tls\.ca .*in which there is no certificate/],
  ["a certificate without key", ({ cert }) => ({ cert }), /tls\.cert without tls\.key/],
  ["a key without certificate", ({ key }) => ({ key }), /tls\.key without tls\.cert/],
  [
    "the key of another one",
    ({ cert, otherKey: key }) => ({ cert, key }),
    /tls\.key .*not that of the tls\.cert .*cert\.pem/,
  ],
  ["a key file without key", ({ cert, text: key }) => ({ cert, key }), /tls\.key .*in which there is no private key/],
  [
    "a locked key",
    ({ lockedCert: cert, lockedKey: key }) => ({ cert, key }),
    /tls\.key .*is encrypted; give tls\.passphrase/,
  ],
  [
    "a wrong passphrase",
    ({ lockedCert: cert, lockedKey: key }) => ({ cert, key, passphrase: "wrong" }),
    /tls\.key .*which tls\.passphrase does not open/,
  ],
])("%s is refused by the names of the target, the field and the file", (_what, tls, says) => {
  const read = (): unknown => toTargetFields({ id: "a", url: "https://a.test", tls: tls(files()) });
  expect(read).toThrow(says);
  expect(read).toThrow(/^target a has /);
  expect(read).not.toThrow("wrong");
});

test.each(["tls", "http2"] as const)("%s is refused for a target by http", (field) => {
  const spec = { id: "a", url: "http://a.test", ...(field === "tls" ? { tls: {} } : { http2: true }) };
  expect(() => toTargetFields(spec)).toThrow(`target a has ${field}, and the url http://a.test; write https://`);
});

describe("connections", () => {
  test("are the same for the same content, whatever its files are called", () => {
    const [a, b] = [files(), files()];
    const connections = new Connections();
    const hold = (tls: TargetTls): unknown =>
      connections.hold("https://a.test", { keepAlive: 4_000, maxConnections: 10, tls: readTls("a", tls) });
    const held = hold({ ca: a.ca, cert: a.cert, key: a.key });
    expect(hold({ ca: b.ca, cert: b.cert, key: b.key })).toBe(held);
    const others: readonly TargetTls[] = [
      {},
      { ca: a.ca },
      { ca: a.two, cert: a.cert, key: a.key },
      { ca: a.ca, cert: a.cert, key: a.key, servername: "b.test" },
      { ca: a.ca, cert: a.cert, key: a.key, verify: false },
      { ca: a.ca, cert: a.lockedCert, key: a.lockedKey, passphrase: "right" },
    ];
    expect(new Set([held, ...others.map(hold)]).size).toBe(others.length + 1);
  });

  test("are others with and without http2, and with and without tls", () => {
    const connections = new Connections();
    const options = { keepAlive: 4_000, maxConnections: 10 };
    const plain = connections.hold("https://a.test", options);
    expect(connections.hold("https://a.test", { ...options, http2: true })).not.toBe(plain);
    expect(connections.hold("https://a.test", { ...options, tls: readTls("a", {}) })).not.toBe(plain);
    expect(connections.hold("https://a.test", { ...options, http2: false })).toBe(plain);
  });

  test("do not show what is in the files by their key", () => {
    const { ca, lockedCert: cert, lockedKey: key } = files();
    const tls = readTls("a", { ca, cert, key, passphrase: "right" });
    const held = new Connections().hold("https://a.test", { keepAlive: 4_000, maxConnections: 10, tls });
    expect(held.key).not.toMatch(/right|PRIVATE|CERTIFICATE|pem/);
  });
});
