import { describe, expect, test, vi } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { freePair } from "../../e2e/fleet/stack.ts";
import { within } from "../../wire/waiting.ts";
import { runs } from "./backend-rig.ts";
import { config, heal, openControl, type OpenControl, reaches, self, starting, tell } from "./inference-rig.ts";

// Each starts processes, and a busy machine takes its time for that.
vi.setConfig({ testTimeout: 20_000 });

const running = "VLLM is already running. Use /inference/down to stop it first.";

test("up while it runs is refused, and what runs goes on", async () => {
  const control = await openControl();
  await control.up();
  const { pid } = await self(control);
  for (const how of ["", "/async"])
    expect(await control.up([], [], how)).toEqual({ status: 409, body: { detail: running } });
  expect((await self(control)).pid).toBe(pid);
});

test("up while it starts is refused", async () => {
  const control = await openControl();
  await control.up(["unhealthy"], [], "/async");
  for (const how of ["", "/async"]) {
    const { status, body } = await control.up([], [], how);
    expect([status, body["detail"]]).toEqual([409, expect.stringContaining("is already starting")]);
  }
});

test("of many at once exactly one wins", async () => {
  const control = await openControl();
  const answers = await Promise.all(Array.from({ length: 12 }, () => control.up()));
  const won = answers.filter(({ status }) => status === 200);
  const lost = answers.filter(({ status }) => status === 409);
  expect([won.length, lost.length]).toEqual([1, 11]);
  control.takes(1);
});

test("ups and downs at once leave either all or nothing", async () => {
  const control = await openControl({ gpus: 2 });
  const calls = Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? control.up() : control.down()));
  const answers = await within(Promise.all(calls), "all answers", 15_000);
  for (const { status } of answers) expect([200, 409]).toContain(status);
  await control.down();
  expect(await control.status()).toMatchObject({ status: "not_started", instances: [] });
  expect(control.proxy.pools()[0]?.snapshot.all).toEqual([]);
});

test("with restart an up while it runs stops that first, and one while nothing runs does not", async () => {
  const control = await openControl({ restart: true, port: (await freePair()) - 1, stop: { grace: 300 } });
  await control.up(["stubborn"]);
  const { pid } = await self(control);
  expect((await control.up([], ["--again"])).status).toBe(200);
  const next = await self(control);
  expect([runs(pid), next.args.at(-1)]).toEqual([false, "--again"]);
  expect(control.proxy.pools()[0]?.snapshot.all).toHaveLength(1);
});

test("down while it starts cancels the start", async () => {
  const control = await openControl();
  const up = control.up(["unhealthy"]);
  const first = await starting(control);
  expect(await control.down()).toEqual({ status: 200, body: { status: "OK" } });
  expect(await up).toEqual({ status: 409, body: { detail: "VLLM was stopped before it was ready." } });
  expect(runs(first?.pid)).toBe(false);
});

test("a client that leaves does not stop the start", async () => {
  const control = await openControl();
  const left = new AbortController();
  const body = JSON.stringify({ model: "m", dtype: "auto", additional_args: ["--play", "unhealthy"] });
  const up = fetch(`${control.url}/api/v1/inference/up`, { method: "POST", body, signal: left.signal, headers: json });
  await starting(control);
  left.abort();
  await expect(up).rejects.toThrow();
  await eventually(() => expect(control.proxy.status().active).toBe(0));
  await heal(control, 0, 1);
});

const json = { "content-type": "application/json" };

interface Stream {
  readonly first: string;
  /** All that came after it; rejects when it was cut. */
  readonly rest: Promise<string>;
}

async function stream({ url }: OpenControl): Promise<Stream> {
  const answer = await fetch(`${url}/v1/stream`);
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  const { value: first = "" } = await reader.read();
  const read = async (): Promise<string> => {
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    return text;
  };
  const rest = read();
  rest.catch(() => undefined);
  return { first, rest };
}

describe("requests under way when down comes", () => {
  test("are broken for the client to see", async () => {
    const control = await openControl();
    await control.up();
    const { first, rest } = await stream(control);
    expect(first).toContain("first");
    await control.down();
    await expect(rest).rejects.toThrow();
  });

  test("may end with drain, while no new ones come, and down waits for them", async () => {
    const control = await openControl({ drain: 30_000 });
    await control.up();
    const { rest } = await stream(control);
    const [first] = await control.engines();
    const down = control.down();
    await reaches(control, "stopping");
    // Nothing has been asked of the process: it does not know that it is to end.
    expect(await control.engines()).toMatchObject([{ state: "ready", pid: first?.pid }]);
    expect((await control.call("GET", "/v1/self")).status).toBe(503);
    expect(runs(first?.pid)).toBe(true);
    await tell(first as NonNullable<typeof first>, "/finish");
    expect(await rest).toContain("last");
    expect((await down).status).toBe(200);
    expect(runs(first?.pid)).toBe(false);
  });

  test("are no part of the counts of what is started next", async () => {
    const control = await openControl();
    await control.up();
    const broken = await Promise.all([stream(control), stream(control)]);
    const [before] = control.proxy.pools()[0]?.snapshot.all ?? [];
    expect(before?.live.inflight).toBe(2);
    await control.down();
    await Promise.allSettled(broken.map(({ rest }) => rest));
    await control.up();
    const [after] = control.proxy.pools()[0]?.snapshot.all ?? [];
    expect([before?.live.inflight, after?.live.inflight]).toEqual([0, 0]);
    await self(control);
    await eventually(() => expect(after?.live.inflight).toBe(0));
  });
});

describe("a reload of the config", () => {
  test("leaves what runs alone, whatever changes in the options", async () => {
    const control = await openControl();
    await control.up();
    const { pid } = await self(control);
    await control.proxy.reload(config());
    control.takes(1);
    expect((await self(control)).pid).toBe(pid);
    await control.proxy.reload(
      config({ gpus: 4, drain: 5, health: true, env: { A: "b" }, stop: { signal: "SIGINT" } }),
    );
    control.takes(1);
    expect((await self(control)).pid).toBe(pid);
    expect(await control.status()).toMatchObject({ status: "completed" });
    await control.down();
    await control.up();
    await eventually(() => control.takes(4));
  });

  test("leaves a start under way alone", async () => {
    const control = await openControl();
    const up = control.up(["unhealthy"]);
    await starting(control);
    await control.proxy.reload(config());
    await heal(control, 0, 1);
    expect((await up).status).toBe(200);
  });

  test("without the plugin stops what runs", async () => {
    const control = await openControl();
    await control.up();
    const { pid } = await self(control);
    await control.proxy.reload({ plugins: [] });
    await eventually(() => expect(runs(pid)).toBe(false));
    await control.proxy.reload(config());
    await reaches(control, "not_started");
    expect((await control.up()).status).toBe(200);
  });
});

describe("when the proxy is closed", () => {
  test("what runs is stopped", async () => {
    const control = await openControl({ gpus: 2 });
    await control.up();
    await eventually(() => control.takes(2));
    const pids = (await control.engines()).map(({ pid }) => pid);
    await control.proxy.close();
    expect(pids.map(runs)).toEqual([false, false]);
  });

  test("a start is given up rather than waited for", async () => {
    const control = await openControl();
    const up = control.up(["unhealthy"]);
    const first = await starting(control);
    await within(control.proxy.close({ deadline: 60_000 }), "the end of the proxy", 10_000);
    expect((await up).status).toBe(503);
    expect(runs(first?.pid)).toBe(false);
  });

  test("it ends when nothing runs", async () => {
    const control = await openControl();
    await control.status();
    await within(control.proxy.close({ deadline: 60_000 }), "the end of the proxy");
  });
});

test("SIGINT in place of SIGTERM, where that is what engines end with", async () => {
  const control = await openControl({ stop: { signal: "SIGINT", grace: 4_000 } });
  await control.up();
  await control.down();
  expect(control.proxy.lines.join("\n")).toContain("inference-1: SIGINT came");
});
