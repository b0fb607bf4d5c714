import type { RequestListener, ServerResponse } from "node:http";
import { expect } from "vitest";
import { definePlugin, defineSelector, type Plugin, type Reporter, type Target, type TargetSpec } from "plugboard";
import { type OutlierEjectionOptions, outlierEjection } from "plugboard/plugins/health/outlier-ejection";
import { eventually } from "../../e2e/eventually.ts";
import { start, type Started, upstream } from "./started.ts";

export interface AskInit {
  readonly signal?: AbortSignal;
}

export interface Outliers extends Started {
  /** What each target does with a request, by id. */
  readonly answers: Map<string, RequestListener>;
  /** Requests that each target got. */
  readonly got: Map<string, number>;
  /** Lists that a selector was given, one per pick. */
  readonly lists: readonly (readonly Target[])[];
  /** Asks this target if it may be asked, else the first that may; gives the status, 0 for an answer that broke. */
  ask(id: string, init?: AskInit): Promise<number>;
  /** The same so many times, one after the other. */
  askTimes(id: string, times: number): Promise<void>;
  available(): string[];
  turned(id: string, up: boolean): Promise<void>;
}

export const says =
  (status: number): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end("x");
export const breaks: RequestListener = (request) => request.socket.destroy();

export async function outliers(
  ids: readonly string[],
  options: OutlierEjectionOptions = {},
  { spec = {}, plugins = [] }: { spec?: Partial<TargetSpec>; plugins?: readonly Plugin[] } = {},
): Promise<Outliers> {
  const answers = new Map<string, RequestListener>();
  const got = new Map<string, number>();
  const lists: (readonly Target[])[] = [];
  const specs = await Promise.all(
    ids.map(async (id) => {
      const { url } = await upstream((request, response) => {
        got.set(id, (got.get(id) ?? 0) + 1);
        (answers.get(id) ?? says(200))(request, response);
      });
      return { id, url, ...spec };
    }),
  );
  const named = defineSelector({
    name: "named",
    pick(targets, x) {
      lists.push(targets);
      return targets.find(({ id }) => id === x.headers["x-to"]) ?? targets[0];
    },
  });
  const started = await start([...plugins, outlierEjection({ jitter: 0, ...options }), named()], { default: specs });

  async function ask(id: string, init: AskInit = {}): Promise<number> {
    const headers = { "x-to": id };
    try {
      const response = await started.proxy.fetch(new Request("http://proxy/", { method: "POST", ...init, headers }));
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }
  const available = (): string[] =>
    started
      .pool()
      .snapshot.available.map(({ id }) => id)
      .toSorted();

  return {
    ...started,
    answers,
    got,
    lists,
    ask,
    async askTimes(id, times) {
      for (let i = 0; i < times; i++) await ask(id);
    },
    available,
    turned: (id, up) => eventually(() => expect(available().includes(id)).toBe(up)),
  };
}

/** Another reporter, which says what the test says. */
export function otherReporter(): { readonly plugin: Plugin; takeDown(id: string): void } {
  let reporter: Reporter | undefined;
  const other = definePlugin({
    name: "other",
    setup: (setup) => void (reporter = setup.reporter("other")),
  });
  return { plugin: other(), takeDown: (id) => reporter?.down(id, "out of order") };
}

/** Has a target fail a request, for which it is out. */
export async function eject(proxy: Outliers, id: string): Promise<void> {
  proxy.answers.set(id, says(502));
  await proxy.ask(id);
  await proxy.turned(id, false);
}

/** Two targets, the first of which was out for a moment and is on trial. */
export async function onTrial(options: OutlierEjectionOptions = {}): Promise<Outliers> {
  const proxy = await outliers(["a", "b"], { consecutive: 1, duration: 100, maxDuration: 100, ...options });
  await eject(proxy, "a");
  await proxy.turned("a", true);
  return proxy;
}

/** Keeps the requests of a target waiting until the test answers them. */
export function hold(proxy: Outliers, id: string): ServerResponse[] {
  const held: ServerResponse[] = [];
  proxy.answers.set(id, (_request, response) => void held.push(response));
  return held;
}

export interface HeldTarget extends Outliers {
  /** What target `a` was asked and has not answered. */
  readonly held: readonly ServerResponse[];
  /** The clock stands still but for this, and with it the time after which another trial may begin. */
  pass(milliseconds: number): void;
}

/** Two targets, the first of which is on trial, and answers when the test does it. */
export async function heldTarget(): Promise<HeldTarget> {
  let time = 0;
  const proxy = await onTrial({ now: () => time });
  const held = hold(proxy, "a");
  time = 1_000;
  return { ...proxy, held, pass: (milliseconds) => void (time += milliseconds) };
}

/** The same with its trial under way. */
export async function heldTrial(init: AskInit = {}): Promise<HeldTarget & { readonly trial: Promise<number> }> {
  const proxy = await heldTarget();
  const trial = proxy.ask("a", init);
  await eventually(() => expect(proxy.held).toHaveLength(1));
  return { ...proxy, trial };
}
