import { writeFileSync } from "node:fs";
import { createProxy, type Plugin } from "plugboard";
import { dnsTargets, type DnsTargetsOptions } from "plugboard/plugins/discovery/dns-targets";
import { fileTargets } from "plugboard/plugins/discovery/file-targets";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { expect, onTestFinished, test } from "vitest";
import { parseTargetList, showFault } from "../../../plugins/discovery/_target-list.ts";
import { pemFiles } from "../../certificates.ts";
import { keptLog } from "../../core/kept-log.ts";
import { eventually } from "../../e2e/eventually.ts";

function faultsOf(value: unknown, outside = false): readonly string[] {
  return (parseTargetList([value], outside).faults ?? []).map(showFault);
}

const url = "https://a.test";

test.each<[string, object, string]>([
  ["tls for http", { url: "http://a.test", tls: {} }, "tls: Expected a url that begins with https://, or no tls"],
  [
    "http2 for http",
    { url: "http://a.test", http2: true },
    "http2: Expected a url that begins with https://, or no http2",
  ],
  ["cert without key", { url, tls: { cert: "a" } }, "tls.key: Expected the file of the key of tls.cert"],
  ["key without cert", { url, tls: { key: "a" } }, "tls.cert: Expected the file of the certificate of tls.key"],
  ["an address as name", { url, tls: { servername: "10.0.0.1" } }, "tls.servername: Expected a host name"],
  ["an empty path", { url, tls: { ca: "" } }, "tls.ca: Expected the path of a PEM file"],
  ["verify as word", { url, tls: { verify: "no" } }, "tls.verify: Invalid type: Expected boolean"],
  ["http2 as word", { url, http2: "yes" }, "http2: Invalid type: Expected boolean"],
  ["a misspelt field", { url, tls: { verfy: false } }, 'tls.verfy: unknown key; did you mean "verify"?'],
])("%s is refused by the name of the field", (_what, target, says) => {
  expect(faultsOf(target)).toEqual([expect.stringContaining(`targets.0.${says}`)]);
});

test("tls and http2 are taken from what the config names", () => {
  const target = {
    url,
    http2: true,
    tls: { ca: "a", cert: "b", key: "c", passphrase: "d", servername: "e", verify: false },
  };
  expect(parseTargetList([target])).toEqual({ targets: [target] });
  expect(faultsOf({ url: "http://a.test", http2: false })).toEqual([]);
});

test("files are not for a source to name that others write to", () => {
  expect(faultsOf({ url, tls: { ca: "/etc/passwd" } }, true)).toEqual([
    expect.stringContaining("targets.0.tls: Expected no tls"),
  ]);
  expect(faultsOf({ url, http2: true }, true)).toEqual([]);
});

test.each<[Partial<DnsTargetsOptions>, string]>([
  [{ tls: {} }, 'tls: Expected the scheme "https", or no tls'],
  [{ http2: true }, 'http2: Expected the scheme "https", or no http2'],
])("addresses that a name leads to are asked by http, so %j is refused", async (options, says) => {
  const plugins = [dnsTargets({ name: "a.test", ...options })];
  await expect(createProxy({ plugins })).rejects.toThrow(says);
});

async function open(...plugins: readonly Plugin[]): Promise<readonly string[]> {
  const { log, lines } = keptLog();
  const proxy = await createProxy({ plugins }, { log });
  onTestFinished(() => proxy.close({ deadline: 0 }));
  return lines;
}

test("a target of a file that is not verified is warned of when it appears", async () => {
  const { targets: pem } = pemFiles({ targets: "" });
  const path = pem.replace(/pem$/, "json");
  const loose = (id: string): object => ({ id, url, tls: { verify: false } });
  writeFileSync(path, JSON.stringify([loose("a")]));
  const lines = await open(fileTargets({ path, interval: 20 }));
  const warnings = (): readonly string[] => lines.filter((line) => line.includes("is not verified"));
  expect(warnings()).toEqual([expect.stringContaining("target a is not verified")]);
  writeFileSync(path, JSON.stringify([loose("a"), loose("b")]));
  await eventually(() => expect(warnings()).toHaveLength(2));
  expect(warnings()[1]).toContain("target b is not verified");
});

test("a target whose files are wrong is named in the log, and the others are taken", async () => {
  const targets = [{ id: "a", url, tls: { ca: "/none.pem" } }, "http://b.test"];
  const lines = await open(staticTargets({ targets }));
  expect(lines.join("\n")).toContain("target a has the tls.ca /none.pem, which does not exist");
});
