import { X509Certificate } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { openCertificates } from "../../../core/listeners/certificates.ts";
import { makeCertificate } from "../../../core/listeners/self-signed.ts";
import { createAuthority, pemFiles } from "../../certificates.ts";
import { keptLog } from "../kept-log.ts";

const authority = createAuthority();
const days = 90;
const good = authority.issue({ names: ["good.test", "127.0.0.1"], days });
const locked = authority.issue({ days, passphrase: "open sesame" });
const der = Buffer.from(new X509Certificate(good.cert).raw);

/** What is said of files with these contents. */
async function fault(files: { cert?: string | Buffer; key?: string | Buffer }, passphrase?: string): Promise<string> {
  const paths = pemFiles({ cert: "", key: "" });
  writeFileSync(paths.cert, files.cert ?? good.cert);
  writeFileSync(paths.key, files.key ?? good.key);
  const { log } = keptLog();
  const opened = openCertificates([{ ...paths, ...(passphrase !== undefined && { passphrase }) }], log);
  const error = await opened.then(
    () => new Error("none"),
    (thrown: Error) => thrown,
  );
  return error.message.replaceAll(dirname(paths.cert), "");
}

describe("says of a file which it is, what is wrong with it, and what to do", () => {
  test.each([
    ["empty", { cert: "" }, "certificate /cert.pem: it is empty"],
    ["blank", { key: " \n\n" }, "key /key.pem: it is empty"],
    [
      "some other text",
      { cert: "hello" },
      "certificate /cert.pem: it holds no PEM, which begins with -----BEGIN CERTIFICATE-----",
    ],
    [
      "some other text",
      { key: "hello" },
      "key /key.pem: it holds no PEM, which begins with -----BEGIN PRIVATE KEY-----",
    ],
    ["cut off", { cert: good.cert.slice(0, 300) }, "certificate /cert.pem: it is damaged or cut off (bad end line)"],
    ["cut off", { key: good.key.slice(0, 100) }, "key /key.pem: it is damaged or cut off"],
    [
      "DER",
      { cert: der },
      "certificate /cert.pem: it is DER, and PEM is needed; convert it: openssl x509 -inform der -in /cert.pem -out <file>.pem",
    ],
    [
      "DER",
      { key: der },
      "key /key.pem: it is DER, and PEM is needed; convert it: openssl pkey -inform der -in /key.pem -out <file>.pem",
    ],
    [
      "the other one",
      { cert: good.key, key: good.cert },
      [
        "certificate /cert.pem: it holds the other one; are cert and key the wrong way round?",
        "key /key.pem: it holds the other one; are cert and key the wrong way round?",
      ].join("\n"),
    ],
    [
      "a public key",
      { key: new X509Certificate(good.cert).publicKey.export({ type: "spki", format: "pem" }) },
      "key /key.pem: it holds a public key; the private one is needed",
    ],
    [
      "of another certificate",
      { key: authority.key },
      "key /key.pem does not belong to certificate /cert.pem; give the key that it was made with",
    ],
    [
      "in the wrong order",
      { cert: authority.cert + good.cert },
      "key /key.pem belongs to certificate 2 of those in /cert.pem; put that one first, and those of its issuers behind it",
    ],
    [
      "followed by half of another",
      { cert: good.cert + authority.cert.slice(0, 200) },
      "certificate /cert.pem: it, or one of those behind it, cannot be used (bad end line)",
    ],
    ["too big", { cert: good.cert + " ".repeat(2_000_000) }, /^certificate \/cert.pem: it has 2000\d+ bytes, too many/],
    ["encrypted", locked, "key /key.pem: it is encrypted; set passphrase"],
  ])("%s", async (_, files, says) => {
    const message = await fault(files);
    if (typeof says === "string") expect(message).toBe(says);
    else expect(message).toMatch(says);
  });

  test("with the wrong passphrase, which it does not tell", async () => {
    expect(await fault(locked, "abracadabra")).toBe("key /key.pem: its passphrase is wrong, or it is damaged");
  });

  test("that is not there, or is a directory", async () => {
    const { cert } = pemFiles({ cert: good.cert });
    const folder = `${cert}.d`;
    mkdirSync(folder);
    const opened = openCertificates(
      [
        { cert: folder, key: `${cert}.none` },
        { cert, key: `${cert}/key` },
      ],
      keptLog().log,
    );
    await expect(opened).rejects.toThrow(
      [
        `certificate ${folder}: it is a directory; give the path of the file in it`,
        `key ${cert}.none: there is no such file; check the path, which counts from the working directory`,
        `key ${cert}/key: a part of its path is no directory; check the path`,
      ].join("\n"),
    );
  });

  test("out of which nothing can be made", async () => {
    await expect(openCertificates([], keptLog().log)).rejects.toThrow("tls names no certificate");
  });

  test("for all certificates at once", async () => {
    const files = pemFiles({ a: "", b: good.cert, c: good.key, d: authority.key });
    const opened = openCertificates(
      [
        { cert: files.b, key: files.a },
        { cert: files.b, key: files.c },
        { cert: files.a, key: files.d },
      ],
      keptLog().log,
    );
    await expect(opened).rejects.toThrow(`key ${files.a}: it is empty\ncertificate ${files.a}: it is empty`);
  });
});

test("refuses certificates with keys of two kinds, which Node would mix up", async () => {
  const rsa = await makeCertificate("rsa.test");
  const files = pemFiles({ cert: good.cert, key: good.key, rsaCert: rsa.cert, rsaKey: rsa.key });
  const pairs = [files, { cert: files.rsaCert, key: files.rsaKey }];
  await expect(openCertificates(pairs, keptLog().log)).rejects.toThrow(
    `certificate ${files.cert} has a key of kind ec, ${files.rsaCert} one of kind rsa, and clients would be shown`,
  );
  await openCertificates([{ cert: files.rsaCert, key: files.rsaKey }], keptLog().log);
});

test("takes a certificate and its key out of one file", async () => {
  const { both } = pemFiles({ both: good.key + good.cert });
  const { all, files } = await openCertificates([{ cert: both, key: both }], keptLog().log);
  expect(all.map(({ names }) => names)).toEqual(["good.test, 127.0.0.1"]);
  expect(files).toEqual([both, both]);
});

test("tells once of a fault, and again when it comes back", async () => {
  const files = pemFiles(good);
  const { log, lines } = keptLog();
  const certificates = await openCertificates([files], log);
  const look = async (key: string): Promise<boolean> => {
    writeFileSync(files.key, key);
    return certificates.reread(() => false);
  };
  for (const key of ["", "", good.key, "", "hello", "hello"]) expect(await look(key)).toBe(false);
  const refused = (what: string): string =>
    `warn: the certificates in use stay until the files fit:\nkey ${files.key}: ${what}`;
  expect(lines).toEqual([
    refused("it is empty"),
    refused("it is empty"),
    refused("it holds no PEM, which begins with -----BEGIN PRIVATE KEY-----"),
  ]);
});

test("takes nothing in, and says nothing, for a server that is over", async () => {
  const files = pemFiles(good);
  const { log, lines } = keptLog();
  const certificates = await openCertificates([files], log);
  const other = authority.issue({ days });
  writeFileSync(files.cert, other.cert);
  expect(await certificates.reread(() => true)).toBe(false);
  writeFileSync(files.key, other.key);
  expect(await certificates.reread(() => true)).toBe(false);
  expect(certificates.all[0]?.text.cert).toBe(good.cert);
  expect(lines).toEqual([]);
});
