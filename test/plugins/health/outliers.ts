import type { RequestListener, ServerResponse } from "node:http";
import { expect } from "vitest";
import { defineSelector, type Plugin, type Target, type TargetSpec } from "plugboard";
import { type OutlierEjectionOptions, outlierEjection } from "plugboard/plugins/health/outlier-ejection";
import { eventually } from "../../e2e/eventually.ts";
import { start, type Started, upstream } from "./started.ts";

export interface Outliers extends Started {
  /** What each target does with a request, by id. */
  readonly answers: Map<string, RequestListener>;
  /** Requests that each target got. */
  readonly got: Map<string, number>;
  /** Lists that a selector was given, one per pick. */
  readonly lists: readonly (readonly Target[])[];
  /** Asks this target if it may be asked, else the first that may; gives the status, 0 for an answer that broke. */
  ask(id: string, init?: { readonly signal?: AbortSignal }): Promise<number>;
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

  async function ask(id: string, init: { readonly signal?: AbortSignal } = {}): Promise<number> {
    const headers = { "x-to": id };
    const response = await started.proxy.fetch(new Request("http://proxy/", { method: "POST", ...init, headers }));
    return await response.arrayBuffer().then(
      () => response.status,
      () => 0,
    );
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

/** Two targets, the first of which was out for a moment and is on trial. */
export async function onTrial(options: OutlierEjectionOptions = {}): Promise<Outliers> {
  const proxy = await outliers(["a", "b"], { consecutive: 1, duration: 100, maxDuration: 100, ...options });
  proxy.answers.set("a", says(502));
  await proxy.ask("a");
  await proxy.turned("a", false);
  await proxy.turned("a", true);
  return proxy;
}

/** Keeps the requests of a target waiting until the test answers them. */
export function hold(proxy: Outliers, id: string): ServerResponse[] {
  const held: ServerResponse[] = [];
  proxy.answers.set(id, (_request, response) => void held.push(response));
  return held;
}
