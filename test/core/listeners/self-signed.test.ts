import { createPrivateKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { makeCertificate } from "../../../core/listeners/self-signed.ts";
import { secured, shownTo } from "./tls-rig.ts";

test("a certificate is made out for the host and for this machine, for a year", async () => {
  const { cert, key } = await makeCertificate("dev.test");
  const x509 = new X509Certificate(cert);
  expect(x509.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(x509.checkHost("dev.test")).toBe("dev.test");
  expect(x509.checkHost("localhost")).toBe("localhost");
  expect(x509.checkIP("127.0.0.1")).toBe("127.0.0.1");
  const lifetime = Date.parse(x509.validTo) - Date.parse(x509.validFrom);
  expect(Math.round(lifetime / 86_400_000)).toBe(365);
});

test("a server has one of its own for each start, and no files to follow", async () => {
  const one = await secured("self-signed");
  const two = await secured("self-signed");
  const shown = await shownTo(one.port);
  expect(new X509Certificate(shown).checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(await shownTo(two.port)).not.toBe(shown);
  one.tls.close();
  expect(await shownTo(one.port)).toBe(shown);
  expect(one.lines).toEqual([]);
});
