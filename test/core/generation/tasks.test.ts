import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { PeriodicTask } from "../../../core/generation/setup.ts";
import { Tasks } from "../../../core/generation/tasks.ts";
import { keptLog, type KeptLog } from "../kept-log.ts";
import { deferred } from "../../wire/waiting.ts";

let abort: AbortController;
let log: KeptLog;

beforeEach(() => {
  vi.useFakeTimers();
  abort = new AbortController();
  log = keptLog();
});

afterEach(() => vi.useRealTimers());

function tasksOf(...list: (Partial<PeriodicTask> & Pick<PeriodicTask, "task">)[]): Tasks {
  const whole = list.map((task) => ({ interval: 1_000, plugin: "p", ...task }));
  return new Tasks(whole, abort.signal, log.log);
}

test("a task runs for the first time after its interval, then once per interval", async () => {
  const task = vi.fn<() => void>();
  await tasksOf({ task }).start();
  expect(task).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(999);
  expect(task).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(task).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(task).toHaveBeenCalledTimes(4);
});

test.each([
  ["a month", 31 * 24 * 3_600_000],
  ["for ever", Infinity],
])("an interval of %s is longer than a timer can count, and does not mean at once", async (_what, interval) => {
  const task = vi.fn<() => void>();
  const tasks = tasksOf({ task, interval });
  await tasks.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(task).not.toHaveBeenCalled();
  tasks.stop();
  expect(vi.getTimerCount()).toBe(0);
});

describe("an immediate task", () => {
  test("runs at the start, and the start waits for it", async () => {
    const running = deferred();
    let started = false;
    const start = tasksOf({ task: () => running.promise, immediate: true })
      .start()
      .then(() => (started = true));
    await vi.advanceTimersByTimeAsync(0);
    expect(started).toBe(false);
    running.resolve();
    await start;
  });

  test("runs again an interval after its first run", async () => {
    const task = vi.fn<() => void>();
    await tasksOf({ task, immediate: true }).start();
    expect(task).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(task).toHaveBeenCalledTimes(2);
  });

  test("several run side by side, and one that fails does not stop the start", async () => {
    const other = vi.fn<() => void>();
    const fail = (): never => {
      throw new Error("boom");
    };
    await tasksOf({ task: fail, immediate: true }, { task: other, immediate: true }).start();
    expect(other).toHaveBeenCalledOnce();
    expect(log.lines).toEqual([expect.stringContaining("plugin p failed in a periodic task: Error: boom")]);
  });
});

test("a task that takes longer than its interval never runs twice at once", async () => {
  const run = deferred();
  const task = vi.fn<() => Promise<void>>(() => run.promise);
  await tasksOf({ task }).start();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(task).toHaveBeenCalledTimes(1);
  run.resolve();
  await vi.advanceTimersByTimeAsync(999);
  expect(task).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(task).toHaveBeenCalledTimes(2);
});

test.each([
  ["throws", () => Promise.reject(new Error("boom"))],
  [
    "throws at once",
    () => {
      throw new Error("boom");
    },
  ],
])("a task that %s is logged by its plugin's name, and runs again", async (_what, fail) => {
  const task = vi.fn<() => Promise<void>>(fail);
  await tasksOf({ task, plugin: "guilty" }).start();
  await vi.advanceTimersByTimeAsync(3_000);
  expect(task).toHaveBeenCalledTimes(3);
  expect(log.lines).toHaveLength(3);
  expect(log.lines[0]).toMatch(/^error: plugin guilty failed in a periodic task: Error: boom/);
});

describe("jitter", () => {
  afterEach(() => void vi.restoreAllMocks());

  test.each([
    [0, 800],
    [0.5, 1_000],
    [1 - Number.EPSILON, 1_200],
  ])("at random %d the interval of 1000 with 0.2 becomes %d", async (random, expected) => {
    vi.spyOn(Math, "random").mockReturnValue(random);
    const task = vi.fn<() => void>();
    await tasksOf({ task, jitter: 0.2 }).start();
    await vi.advanceTimersByTimeAsync(expected - 1);
    expect(task).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2);
    expect(task).toHaveBeenCalledOnce();
  });

  test("is drawn anew for each run", async () => {
    const random = vi
      .spyOn(Math, "random")
      .mockReturnValueOnce(0)
      .mockReturnValue(1 - Number.EPSILON);
    const task = vi.fn<() => void>();
    await tasksOf({ task, jitter: 0.5 }).start();
    await vi.advanceTimersByTimeAsync(501);
    expect(task).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1_497);
    expect(task).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2);
    expect(task).toHaveBeenCalledTimes(2);
    expect(random).toHaveBeenCalledTimes(3);
  });
});

describe("after stop", () => {
  test("nothing runs any more, and no timer is left", async () => {
    const task = vi.fn<() => void>();
    const tasks = tasksOf({ task }, { task, interval: 10 });
    await tasks.start();
    tasks.stop();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(task).not.toHaveBeenCalled();
  });

  test("a run under way is the last", async () => {
    const run = deferred();
    const tasks = tasksOf({ task: () => run.promise });
    await tasks.start();
    await vi.advanceTimersByTimeAsync(1_000);
    tasks.stop();
    run.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a start under way schedules nothing", async () => {
    const run = deferred();
    const tasks = tasksOf({ task: () => run.promise, immediate: true });
    const start = tasks.start();
    tasks.stop();
    run.resolve();
    await start;
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a task is given the signal of its generation, and what it throws when that aborts is no news", async () => {
  const task = vi.fn<(signal: AbortSignal) => void>((signal) => signal.throwIfAborted());
  await tasksOf({ task }).start();
  abort.abort();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(task).toHaveBeenCalledExactlyOnceWith(abort.signal);
  expect(log.lines).toEqual([]);
});
