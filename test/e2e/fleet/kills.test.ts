import { describe, expect, onTestFinished, test } from "vitest";
import { ask, type Command, freePair, getJson, openStack, type Stack, until } from "./stack.ts";

// Each kind of process is killed at each stage of its stack, started again by hand as an operator's supervisor would,
// and everything has to find together again.

interface Rig {
  readonly stack: Stack;
  readonly port: number;
  readonly router: string;
  readonly registry: string;
  readonly running: { registry: Command; router: Command; babysitter: Command };
  /** Kills it, and starts it again with the same flags. */
  restart(kind: Kind): Promise<void>;
}

type Kind = "registry" | "router" | "babysitter" | "engine";

const kinds: readonly Kind[] = ["registry", "router", "babysitter", "engine"];

async function openRig(load: number): Promise<Rig> {
  const stack = await openStack();
  onTestFinished(() => stack.close(), 60_000);
  const registryPort = await freePair();
  const routerPort = await freePair();
  const port = await freePair();
  const registry = `http://127.0.0.1:${registryPort}`;
  const router = `http://127.0.0.1:${routerPort}`;
  const bind = ["--bind", "127.0.0.1"];
  const sync = ["--registry-sync-interval", "1", "--health-interval", "1"];
  const starts = {
    registry: () => stack.start(["registry", "--port", String(registryPort), ...bind]),
    router: () =>
      stack.start(["router", "--router-port", String(routerPort), "--registry-url", registry, ...sync, ...bind]),
    babysitter: () => stack.babysit({ name: "one", port, registry, models: ["a"], load }),
  };
  const running = {
    registry: await starts.registry(),
    router: await starts.router(),
    babysitter: await starts.babysitter(),
  };
  return {
    stack,
    port,
    router,
    registry,
    running,
    async restart(kind) {
      if (kind === "engine") return killEngine(port);
      await running[kind].end("SIGKILL");
      running[kind] = await starts[kind]();
    },
  };
}

/** Its babysitter knows it, also before it answers. */
async function killEngine(port: number): Promise<void> {
  const pid = await until(async () => {
    const info = await getJson(`http://127.0.0.1:${port + 1}/info`);
    expect(info.pid).toEqual(expect.any(Number));
    return info.pid as number;
  });
  process.kill(pid, "SIGKILL");
}

const serves = (rig: Rig): Promise<void> => until(async () => expect((await ask(rig.router, "a")).status).toBe(200));

describe.each(kinds)("kill -9 of the %s", (kind) => {
  test("while the engine loads", { timeout: 60_000 }, async () => {
    const rig = await openRig(500);
    await rig.restart(kind);
    await serves(rig);
  });

  test("while it serves", { timeout: 60_000 }, async () => {
    const rig = await openRig(0);
    await serves(rig);
    await rig.restart(kind);
    await serves(rig);
    await until(async () =>
      expect(await getJson(`${rig.registry}/services/one-server`)).toMatchObject({ is_healthy: true }),
    );
  });

  test("in the middle of a stream", { timeout: 60_000 }, async () => {
    const rig = await openRig(0);
    await serves(rig);
    const leave = new AbortController();
    const response = await ask(rig.router, "a", leave.signal, true);
    const reader = response.body?.getReader();
    const next = async (): Promise<boolean> => !((await reader?.read())?.done ?? true);
    expect(await next()).toBe(true);
    if (kind === "registry") {
      await rig.restart(kind);
      // Nothing of it is in the way of a request.
      expect(await next()).toBe(true);
    }
    const ended = drain(next);
    if (kind !== "registry") await rig.restart(kind);
    // What goes on is left by its client; a clean end is never right: nobody may take half an answer for a whole one.
    if (kind === "registry" || kind === "babysitter") leave.abort();
    expect(await ended).toBe("cut");
    await serves(rig);
  });
});

async function drain(next: () => Promise<boolean>): Promise<"ended" | "cut"> {
  try {
    while (await next());
    return "ended";
  } catch {
    return "cut";
  }
}

test(
  "the router serves on while the registry is away, and the registry learns of all again",
  { timeout: 60_000 },
  async () => {
    const rig = await openRig(0);
    await serves(rig);
    await rig.running.registry.end("SIGKILL");
    for (let round = 0; round < 20; round++) expect((await ask(rig.router, "a")).status).toBe(200);
    await rig.restart("registry");
    let statuses = new Set<number>();
    await until(async () => {
      statuses = statuses.add((await ask(rig.router, "a")).status);
      expect(await getJson(`${rig.registry}/services/one-server`)).toMatchObject({ is_healthy: true });
    });
    expect(statuses).toEqual(new Set([200]));
  },
);

test("what was killed with its babysitter is found stale, passed over and forgotten", { timeout: 60_000 }, async () => {
  const rig = await openRig(0);
  await serves(rig);
  const { pid } = (await getJson(`http://127.0.0.1:${rig.port + 1}/info`)) as { pid: number };
  await rig.running.babysitter.end("SIGKILL");
  process.kill(pid, "SIGKILL");
  await until(async () => expect((await ask(rig.router, "a")).status).not.toBe(200));
  await until(async () => expect((await ask(rig.router, "a")).status).toBe(503));
});
