import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import type { BackendOptions } from "plugboard/plugins/fleet/babysitter";
import { endGroup } from "../../../plugins/fleet/_child-group.ts";
import { readBoot } from "../../../plugins/fleet/_child-processes.ts";
import { findOrphans } from "../../../plugins/fleet/_child-record.ts";
import { findFreePort } from "../../../plugins/fleet/_ready-port.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openBackend, reaches, runs, scripted } from "./backend-rig.ts";

const keeper = fileURLToPath(new URL("backend-keeper.ts", import.meta.url));

interface Answer {
  readonly pid: number;
  readonly grandchild: number;
}

/** A process that keeps the backend, and what answers there. */
async function keep(options: BackendOptions, ...args: string[]): Promise<Answer & { readonly keeper: number }> {
  const child = spawn(process.execPath, ["--import", "jiti/register", keeper, JSON.stringify([options]), ...args], {
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let answer: Answer | undefined;
  await patiently(async () => {
    answer = (await (await fetch(`http://127.0.0.1:${options.port}/self`)).json()) as Answer;
    // Another test may have had the port a moment ago.
    expect(answer.pid).toEqual(expect.any(Number));
  });
  const { pid, grandchild } = answer as Answer;
  onTestFinished(async () => void (await endGroup(pid, 0)));
  return { pid, grandchild, keeper: child.pid as number };
}

/** A process of its own has to load and compile the package first. */
async function patiently(check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (performance.now() < deadline) {
    const done = await eventually(check).then(
      () => true,
      () => false,
    );
    if (done) return;
  }
  await check();
}

const pair = (): Promise<number> => findFreePort(["127.0.0.1"], true);

describe.runIf(process.platform === "linux")("a keeper that was killed", { timeout: 30_000 }, () => {
  test("is followed by one that ends what it left, and takes the service back", async () => {
    const options = scripted(["--grandchild"], { name: "left", port: await pair(), stop: { grace: 300 } });
    const left = await keep(options);
    process.kill(left.keeper, "SIGKILL");
    await eventually(() => expect(runs(left.keeper)).toBe(false));
    expect([runs(left.pid), runs(left.grandchild)]).toEqual([true, true]);
    const backend = await openBackend(options);
    backend.start();
    await reaches(backend, "ready");
    expect([runs(left.pid), runs(left.grandchild)]).toEqual([false, false]);
    expect(backend.status.pid).not.toBe(left.pid);
    expect(backend.lines.join("\n")).toContain(`left still runs from before (process group ${left.pid})`);
  });

  test("leaves a backend of another name to whoever it belongs to", async () => {
    const options = scripted([], { name: "theirs", port: await pair() });
    const left = await keep(options);
    process.kill(left.keeper, "SIGKILL");
    const backend = await openBackend({ ...options, name: "mine" });
    backend.start();
    await eventually(() => expect(backend.status.reason).toContain(`taken by process ${left.pid} (`));
    expect(runs(left.pid)).toBe(true);
  });

  test("is known by its start time: a pid that came round again is nobody's orphan", async () => {
    const folder = join(tmpdir(), `plugboard-backends-${process.getuid?.()}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const bystander = spawn(process.execPath, ["--eval", "setInterval(() => {}, 1000)"], { detached: true });
    onTestFinished(() => void bystander.kill("SIGKILL"));
    const path = join(folder, "6f3c6a4e-0000-4000-8000-000000000000.json");
    onTestFinished(() => rmSync(path, { force: true }));
    const one = { pid: bystander.pid, start: 1 };
    const mark = "6f3c6a4e-0000-4000-8000-000000000000";
    writeFileSync(
      path,
      JSON.stringify({ name: "old", port: 0, serves: 1, mark, boot: await readBoot(), keeper: one, leader: one }),
    );
    expect((await findOrphans()).filter(({ name }) => name === "old")).toEqual([]);
    expect(runs(bystander.pid)).toBe(true);
  });
});

test("a keeper that breaks takes its backends with it", { timeout: 30_000 }, async () => {
  const options = scripted(["--ignore-term", "--grandchild"], { name: "broken", port: await pair() });
  const kept = await keep(options, "throw");
  await patiently(() => {
    expect([runs(kept.keeper), runs(kept.pid), runs(kept.grandchild)]).toEqual([false, false, false]);
    return Promise.resolve();
  });
});
