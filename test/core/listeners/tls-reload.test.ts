import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createAuthority } from "../../certificates.ts";
import { eventually } from "../../e2e/eventually.ts";
import { dial, filesOf, secured, shownTo, told, write } from "./tls-rig.ts";

const authority = createAuthority();
const days = 90;
const one = authority.issue({ names: ["one.test"], days });
const third = authority.issue({ names: ["one.test"], days });
const other = authority.issue({ names: ["one.test"], days });

describe("files that change", () => {
  test("are taken in for new connections, and those that stand go on", async () => {
    const files = filesOf(one);
    const kept = await secured(files);
    const standing = await dial(kept.port);
    write(files, other);
    await told(kept, "info: shows a new certificate for one.test, valid until");
    expect(await shownTo(kept.port)).toBe(other.cert);
    expect(await shownTo(kept.port, "one.test")).toBe(other.cert);
    standing.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    expect(await text(standing)).toContain("hello");
    expect(kept.lines).toHaveLength(1);
  });

  test("are taken in when others are renamed onto them, again and again", async () => {
    const files = filesOf(one);
    const kept = await secured(files);
    for (const next of [other, one, other]) {
      const beside = { cert: `${files.cert}.new`, key: `${files.key}.new` };
      write(beside, next);
      renameSync(beside.cert, files.cert);
      renameSync(beside.key, files.key);
      await vi.waitFor(async () => expect(await shownTo(kept.port)).toBe(next.cert), { timeout: 4_000, interval: 10 });
    }
  });

  test("are taken in when the link that leads to all of them is swapped, as for a mounted secret", async () => {
    const at = versions("tls.crt", "tls.key");
    symlinkSync("1", at("..data"));
    for (const name of ["tls.crt", "tls.key"]) symlinkSync(join("..data", name), at(name));
    const kept = await secured({ cert: at("tls.crt"), key: at("tls.key") });
    symlinkSync("2", at("..new"));
    renameSync(at("..new"), at("..data"));
    await told(kept, "shows a new certificate");
    expect(await shownTo(kept.port)).toBe(other.cert);
  });

  test("are taken in where nothing tells of a change, when it is time to look again", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const at = versions("cert.pem", "key.pem");
    symlinkSync("1", at("current"));
    const files = { cert: at("current", "cert.pem"), key: at("current", "key.pem") };
    const kept = await secured(files);
    // When both are taken in, no look is under way, and none to come.
    for (const [index, certificate] of [third, one].entries()) {
      write(files, certificate);
      await eventually(() => expect(kept.lines).toHaveLength(index + 1));
    }
    symlinkSync("2", at("new"));
    renameSync(at("new"), at("current"));
    vi.advanceTimersByTime(30_000);
    await eventually(() => expect(kept.lines).toHaveLength(3));
    expect(await shownTo(kept.port)).toBe(other.cert);
    // From then on it is the folder that they are in now which is watched.
    write(files, one);
    await eventually(() => expect(kept.lines).toHaveLength(4));
    expect(await shownTo(kept.port)).toBe(one.cert);
  });

  test("are refused, once, while they do not fit, and taken in when they do", async () => {
    const files = filesOf(one);
    const kept = await secured(files);
    writeFileSync(files.cert, other.cert);
    await told(kept, "warn: the certificates in use stay until the files fit:");
    expect(kept.lines[0]).toContain(`key ${files.key} does not belong to certificate ${files.cert}`);
    expect(await shownTo(kept.port)).toBe(one.cert);
    writeFileSync(files.cert, other.cert);
    writeFileSync(files.key, other.key);
    await told(kept, "shows a new certificate");
    expect(await shownTo(kept.port)).toBe(other.cert);
    expect(kept.lines).toHaveLength(2);
  });

  test("are not taken in half written, empty or gone", async () => {
    const files = filesOf(one);
    const kept = await secured(files);
    writeFileSync(files.cert, other.cert.slice(0, 200));
    await told(kept, "it is damaged or cut off");
    writeFileSync(files.cert, "");
    await told(kept, "it is empty");
    writeFileSync(files.cert, one.cert + other.cert.slice(0, 200));
    await told(kept, "one of those behind it, cannot be used");
    expect(await shownTo(kept.port)).toBe(one.cert);
    expect(await shownTo(kept.port, "one.test")).toBe(one.cert);
    rmSync(files.cert);
    expect(await shownTo(kept.port)).toBe(one.cert);
    write(files, other);
    await told(kept, "shows a new certificate");
  });

  test("and are put back as they were are no news, and the next fault is told of again", async () => {
    const files = filesOf(one);
    const kept = await secured(files);
    const faults = (): number => kept.lines.filter((line) => line.includes("it is empty")).length;
    writeFileSync(files.key, "");
    await eventually(() => expect(faults()).toBe(1));
    writeFileSync(files.key, one.key);
    // Something to wait for: it is in the same files, and comes after.
    write(files, other);
    await told(kept, "shows a new certificate");
    writeFileSync(files.key, "");
    await eventually(() => expect(faults()).toBe(2));
    expect(kept.lines).toHaveLength(3);
  });
});

/** Two folders beside each other, each with a certificate and its key by these names. */
function versions(cert: string, key: string): (...names: string[]) => string {
  const folder = newFolder();
  const at = (...names: string[]): string => join(folder, ...names);
  for (const [version, certificate] of Object.entries({ 1: one, 2: other })) {
    mkdirSync(at(version));
    write({ cert: at(version, cert), key: at(version, key) }, certificate);
  }
  return at;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "plugboard-tls-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
