import { describe, expect, test, vi } from "vitest";
import { within } from "../../wire/waiting.ts";
import { until } from "../fleet/stack.ts";
import { chat, freeRow, openMlnode, stream } from "./mlnode.ts";

vi.setConfig({ testTimeout: 60_000 });

const slow = { STANDIN_TOKEN_MS: "50" };

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // nobody has the number
  }
}

describe("an engine whose scheduler stands still", () => {
  test("is taken out though its /health says 200, and comes back when it goes on", async () => {
    const node = await openMlnode({ devices: 2, env: { ...slow, MLNODE_HANG_GRACE_SEC: "0.5" } });
    await node.start();
    await node.takes(2);
    const engines = await node.engines();
    const first = `http://127.0.0.1:${engines[0]?.port}`;
    const streams = [await stream(node.url), await stream(node.url)];
    await fetch(`${first}/stand-in/hang`, { method: "POST" });
    await node.takes(1);
    expect((await fetch(`${first}/health`)).status).toBe(200);
    expect((await node.services())[0]).toMatchObject({
      healthy: false,
      verdicts: [expect.objectContaining({ reporter: "hang-check" })],
    });
    const next = await stream(node.url);
    expect(next.pid).toBe(engines[1]?.pid);
    await fetch(`${first}/stand-in/resume`, { method: "POST" });
    await node.takes(2);
    for (const { leave } of [...streams, next]) leave();
  });
});

describe("an engine that fails one look at its health", () => {
  test("is taken out, and one good look brings it back", async () => {
    const node = await openMlnode({ devices: 2 });
    await node.start();
    await node.takes(2);
    const [first, second] = await node.engines();
    process.kill(first?.pid ?? 0, "SIGSTOP");
    await node.takes(1);
    const answers = await Promise.all(Array.from({ length: 6 }, () => chat(node.url)));
    expect(new Set(answers.map(({ headers }) => headers.get("x-stand-in-pid")))).toEqual(
      new Set([String(second?.pid)]),
    );
    process.kill(first?.pid ?? 0, "SIGCONT");
    await node.takes(2);
  });
});

describe("the end of the proxy", () => {
  test("comes within two seconds when nothing is under way, and takes the engines with it", async () => {
    const node = await openMlnode({ devices: 2, env: { DRAIN_SEC: "30" } });
    await node.start();
    await node.takes(2);
    const pids = (await node.engines()).map(({ pid }) => pid ?? 0);
    expect(await within(node.end(), "its end", 2_000)).toBe(0);
    expect(pids.map(runs)).toEqual([false, false]);
  });

  test("cuts the streams under way, for their clients to see", async () => {
    const node = await openMlnode({ env: { ...slow, DRAIN_SEC: "0.2" } });
    await node.start();
    const { rest } = await stream(node.url, 10_000);
    const ended = node.end();
    const { text, whole } = await rest;
    expect(whole).toBe(false);
    expect(text).not.toContain("[DONE]");
    expect(text).toMatch(/data: \{"error":.*"draining"/u);
    expect(await ended).toBe(0);
  });

  test("lets those end that do so in time", async () => {
    const node = await openMlnode({ env: { STANDIN_TOKEN_MS: "10", DRAIN_SEC: "30" } });
    await node.start();
    const { rest } = await stream(node.url, 50);
    const ended = node.end();
    expect(await rest).toMatchObject({ whole: true, text: expect.stringMatching(/\[DONE\]\n\n$/u) });
    expect(await ended).toBe(0);
  });

  test.each([
    ["first", "vLLM client not initialized"],
    ["newer", "Service is shutting down"],
  ])("tells a client without an answer so, in the text of the %s version", async (version, expected) => {
    const node = await openMlnode({ env: { STANDIN_TOKEN_MS: "100000", PLAIN_ERRORS: version } });
    await node.start();
    const answer = chat(node.url);
    await until(async () => expect(await node.services()).toMatchObject([{ inflight: 1 }]));
    const ended = node.end();
    expect([(await answer).status, await (await answer).text()]).toEqual([503, expected]);
    expect(await ended).toBe(0);
  });

  test("gives up a start under way", async () => {
    const node = await openMlnode({ env: { STANDIN_LOAD_MS: "100000" } });
    await node.up([], "/async");
    await until(async () => expect((await node.engines())[0]?.pid).toEqual(expect.any(Number)));
    const [engine] = await node.engines();
    expect(await node.end()).toBe(0);
    expect(runs(engine?.pid ?? 0)).toBe(false);
  });

  test("may be followed by a new start on the same ports, three times", async () => {
    const port = await freeRow(2);
    for (let cycle = 0; cycle < 3; cycle++) {
      const node = await openMlnode({ port });
      expect((await chat(node.url)).status).toBe(503);
      expect((await node.up()).status).toBe(200);
      await node.compatIs("open");
      expect((await chat(node.compat)).status).toBe(200);
      expect(await node.end()).toBe(0);
    }
  });
});
