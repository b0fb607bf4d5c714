import { chmodSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openCertificates } from "../../../core/listeners/certificates.ts";
import { createAuthority, pemFiles } from "../../certificates.ts";
import { keptLog } from "../kept-log.ts";

const authority = createAuthority();
const days = 90;

describe("warns at the start", () => {
  async function warnings(validFor: number, mode = 0o600): Promise<readonly string[]> {
    const files = pemFiles(authority.issue({ names: ["a.test", "b.test"], days: validFor }));
    chmodSync(files.key, mode);
    const { log, lines } = keptLog();
    await openCertificates([files], log);
    return lines.map((line) => line.replaceAll(dirname(files.cert), ""));
  }

  test("of a certificate that has expired", async () => {
    expect(await warnings(-3)).toEqual([
      expect.stringMatching(
        /^warn: certificate \/cert.pem \(a.test, b.test\) expired on .* GMT: clients refuse it; renew it$/,
      ),
    ]);
  });

  test("of one that ends within 14 days, and of no other", async () => {
    expect(await warnings(13)).toEqual([expect.stringMatching(/^warn: certificate .* ends on .* GMT; renew it$/)]);
    expect(await warnings(15)).toEqual([]);
  });

  test("of one that is not valid yet", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const files = pemFiles(authority.issue({ days }));
    vi.setSystemTime(Date.now() - 3 * 86_400_000);
    const { log, lines } = keptLog();
    await openCertificates([files], log);
    expect(lines).toEqual([expect.stringMatching(/is not valid before .* GMT: clients refuse it until then$/)]);
  });

  test.runIf(process.platform !== "win32")("of a key that others can read", async () => {
    expect(await warnings(days, 0o640)).toEqual([
      "warn: key /key.pem can be read by other users (mode 640); chmod 600 it",
    ]);
    expect(await warnings(days, 0o604)).toEqual([expect.stringContaining("(mode 604)")]);
    expect(await warnings(days, 0o600)).toEqual([]);
  });

  test("and again only of what is new", async () => {
    const files = pemFiles(authority.issue({ names: ["a.test"], days: 13 }));
    const { log, lines } = keptLog();
    const certificates = await openCertificates([files], log);
    expect(await certificates.reread(() => false)).toBe(false);
    expect(lines).toHaveLength(1);
    const expired = authority.issue({ names: ["a.test"], days: -1 });
    writeFileSync(files.cert, expired.cert);
    writeFileSync(files.key, expired.key);
    expect(await certificates.reread(() => false)).toBe(true);
    expect(lines.slice(1)).toEqual([
      expect.stringContaining("info: shows a new certificate for a.test"),
      expect.stringContaining("(a.test) expired on"),
    ]);
  });
});
