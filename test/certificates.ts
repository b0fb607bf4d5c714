import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Host names and addresses it is made out for; the first is its common name. @default ["localhost", "127.0.0.1"] */
  readonly names?: readonly string[];
  /** Days it is valid for, from an hour ago; below 0 it expired so many days ago. @default 2 */
  readonly days?: number;
  /** With which the key is encrypted. */
  readonly passphrase?: string;
}

/** Someone who vouches for others; `cert` is what those who trust it need. */
export interface Authority extends Certificate {
  issue(options?: CertificateOptions): Certificate;
}

/** Made without any tool, of P-256 keys, within a millisecond or two. */
export function createAuthority(name = `Test authority ${randomBytes(4).toString("hex")}`): Authority {
  const own = newKey();
  const cert = toCertificate({
    subject: name,
    issuer: name,
    names: [],
    days: 2,
    authority: true,
    key: own,
    signer: own,
  });
  return {
    cert,
    key: toPem(own),
    issue({ names = ["localhost", "127.0.0.1"], days = 2, passphrase } = {}) {
      const key = newKey();
      const subject = names[0] ?? "nobody";
      const issued = toCertificate({ subject, issuer: name, names, days, authority: false, key, signer: own });
      return { cert: issued, key: toPem(key, passphrase) };
    },
  };
}

/** Vouched for by itself only. */
export function createSelfSigned({
  names = ["localhost", "127.0.0.1"],
  days = 2,
  passphrase,
}: CertificateOptions = {}): Certificate {
  const key = newKey();
  const subject = names[0] ?? "nobody";
  const cert = toCertificate({ subject, issuer: subject, names, days, authority: false, key, signer: key });
  return { cert, key: toPem(key, passphrase) };
}

/** A folder with files of these names and contents, gone after the test: its path for each name. */
export function pemFiles<K extends string>(contents: Readonly<Record<K, string>>): Readonly<Record<K, string>> {
  const folder = mkdtempSync(join(tmpdir(), "plugboard-pem-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const paths = {} as Record<K, string>;
  for (const [name, content] of Object.entries(contents) as [K, string][]) {
    paths[name] = join(folder, `${name}.pem`);
    writeFileSync(paths[name], content, { mode: 0o600 });
  }
  return paths;
}

interface Content {
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly days: number;
  readonly authority: boolean;
  readonly key: KeyObject;
  readonly signer: KeyObject;
}

const day = 86_400_000;

/** RFC 5280, 4.1. */
function toCertificate({ subject, issuer, names, days, authority, key, signer }: Content): string {
  const now = Date.now();
  const from = days < 0 ? now + (days - 2) * day : now - day / 24;
  const algorithm = sequence(objectId(1, 2, 840, 10_045, 4, 3, 2)); // ecdsa-with-SHA256
  const extensions = [
    sequence(objectId(2, 5, 29, 19), boolean(true), octets(sequence(...(authority ? [boolean(true)] : [])))),
    ...(names.length === 0 ? [] : [sequence(objectId(2, 5, 29, 17), octets(sequence(...names.map(generalName))))]),
  ];
  const content = sequence(
    tagged(0xa0, tagged(0x02, Buffer.of(2))), // Version 3.
    tagged(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    commonName(issuer),
    sequence(time(from), time(now + days * day)),
    commonName(subject),
    publicOf(key),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = tagged(0x03, Buffer.concat([Buffer.of(0), sign("sha256", content, signer)]));
  const base64 = sequence(content, algorithm, signature).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

const publicKeys = new WeakMap<KeyObject, Buffer>();

function newKey(): KeyObject {
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const key = createPrivateKey(privateKey);
  publicKeys.set(key, publicKey);
  return key;
}

function publicOf(key: KeyObject): Buffer {
  return publicKeys.get(key) as Buffer;
}

function toPem(key: KeyObject, passphrase?: string): string {
  const encrypted = passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase };
  return key.export({ type: "pkcs8", format: "pem", ...encrypted }) as string;
}

function generalName(name: string): Buffer {
  const family = isIP(name);
  if (family === 0) return tagged(0x82, Buffer.from(name));
  return tagged(0x87, family === 4 ? Buffer.from(name.split(".").map(Number)) : loopback6(name));
}

function loopback6(name: string): Buffer {
  if (name !== "::1") throw new Error(`${name}: no IPv6 address but ::1 is known here`);
  return Buffer.concat([Buffer.alloc(15), Buffer.of(1)]);
}

function commonName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(objectId(2, 5, 4, 3), tagged(0x0c, Buffer.from(name)))));
}

function time(at: number): Buffer {
  return tagged(0x18, Buffer.from(new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, "")));
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function octets(content: Buffer): Buffer {
  return tagged(0x04, content);
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.of(value ? 0xff : 0));
}

function objectId(first: number, second: number, ...rest: number[]): Buffer {
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
