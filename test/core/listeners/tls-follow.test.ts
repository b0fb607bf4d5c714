import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { ServerTls } from "../../../core/listeners/tls.ts";
import { createAuthority } from "../../certificates.ts";
import { eventually } from "../../e2e/eventually.ts";
import { filesOf, secured, shownTo, told, write } from "./tls-rig.ts";

const authority = createAuthority();
const days = 90;
const one = authority.issue({ names: ["one.test"], days });
const third = authority.issue({ names: ["one.test"], days });
const other = authority.issue({ names: ["one.test"], days });

describe("changes of files", () => {
  test("between the making of a server and its listening are taken in, too", async () => {
    const files = filesOf(one);
    const { tls, ...kept } = await secured(files);
    const [before, later] = [createServer(tls.options), createServer(tls.options)];
    write(files, other);
    await told(kept, "shows a new certificate");
    expect(tls.options.cert).toBe(other.cert);
    // Those two were made with what was there before.
    expect(await shownTo(await open(before, tls))).toBe(other.cert);
    tls.close();
    write(files, one);
    const port = await open(later, tls);
    await vi.waitFor(async () => expect(await shownTo(port)).toBe(one.cert), { timeout: 4_000, interval: 10 });
  });

  test("are nothing to a server that could not listen", async () => {
    const files = filesOf(one);
    const { tls, port, lines } = await secured(files);
    const second = createServer(tls.options);
    const fails = once(second, "error");
    tls.follow(second);
    second.listen(port, "127.0.0.1");
    await fails;
    const witness = await secured(files);
    for (const [index, certificate] of [other, third].entries()) {
      write(files, certificate);
      await eventually(() => expect(witness.lines).toHaveLength(index + 1));
    }
    expect(lines).toEqual([]);
  });

  test.runIf(process.platform === "linux")("are watched no longer when nobody follows them", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const before = watches();
    const { tls, server } = await secured(filesOf(one));
    await eventually(() => expect([watches(), vi.getTimerCount()]).toEqual([before + 1, 1]));
    tls.follow(server);
    expect([watches(), vi.getTimerCount()]).toEqual([before + 1, 1]);
    tls.close();
    tls.close();
    expect([watches(), vi.getTimerCount()]).toEqual([before, 0]);
  });

  test("of one server are nothing to another, and nothing to one that follows no longer", async () => {
    const [mine, yours] = [filesOf(one), filesOf(one)];
    const [left, stays] = [await secured(mine), await secured(mine)];
    const apart = await secured(yours);
    left.tls.close();
    write(mine, other);
    await told(stays, "shows a new certificate");
    expect(await shownTo(left.port)).toBe(one.cert);
    expect(await shownTo(apart.port)).toBe(one.cert);
    expect([...left.lines, ...apart.lines]).toEqual([]);
  });
});

/** Has it listen and follow. */
async function open(server: Server, tls: ServerTls): Promise<number> {
  onTestFinished(() => void server.close());
  tls.follow(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Folders that this process watches; Node counts none of them that does not keep it alive. */
function watches(): number {
  const folder = "/proc/self/fdinfo";
  // The listing itself had a file open that is closed by now.
  const files = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((file) => existsSync(file));
  const texts = files.map((file) => readFileSync(file, "utf8"));
  return texts.join("").match(/^inotify wd:/gm)?.length ?? 0;
}
