import OpenAI from "openai";
import { definePlugin, type Exchange, type Outcome, type Plugin, type Proxy, type Target } from "plugboard";
import { leastConnections, model, staticTargets } from "plugboard/plugins";
import { disaggregate } from "plugboard/plugins/resolve/disaggregate";
import { expect } from "vitest";
import { eventually } from "../e2e/eventually.ts";
import { openProxy } from "../e2e/open-proxy.ts";
import type { Behaviour } from "./behaviour.ts";
import { clientHeader } from "./clients.ts";
import { openDecode } from "./decode-worker.ts";
import { type EngineRoom, engineRoom } from "./engine-room.ts";
import type { Lease } from "./leases.ts";
import { openPrefill } from "./prefill-worker.ts";
import type { Protocol, Received } from "./received.ts";
import type { Worker } from "./worker.ts";

export interface Attempt {
  readonly client: string | undefined;
  readonly target: Target;
  readonly outcome: Outcome;
  /** Other requests that were being sent again when it ended. */
  readonly repeated: number;
}

/** Two prefill and three decode workers behind a proxy. */
export interface ProxiedStage {
  readonly room: EngineRoom;
  readonly prefill: readonly Worker[];
  readonly decode: readonly Worker[];
  readonly proxy: Proxy;
  readonly client: OpenAI;
  readonly attempts: readonly Attempt[];
}

/** Two prefill and three decode workers behind a proxy. */
export interface ProxiedOptions {
  readonly protocol: Protocol;
  readonly behaviour?: (received: Received) => Behaviour;
  readonly plugins?: readonly Plugin[];
}

export async function openProxied({
  protocol,
  behaviour = () => ({}),
  plugins = [],
}: ProxiedOptions): Promise<ProxiedStage> {
  const room = engineRoom();
  const open = { protocol, behaviour };
  const prefill = await Promise.all(["P1", "P2"].map((name) => openPrefill(room, { ...open, name })));
  const decode = await Promise.all(["D1", "D2", "D3"].map((name) => openDecode(room, { ...open, name })));
  const attempts: Attempt[] = [];
  const targets = [...prefill, ...decode].map(({ target }) => target);
  const { proxy, url } = await openProxy([
    staticTargets({ targets }),
    model(),
    disaggregate(),
    leastConnections(),
    recorder(attempts),
    ...plugins,
  ]);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, fetch: room.clients.fetch });
  return { room, prefill, decode, proxy, client, attempts };
}

function recorder(attempts: Attempt[]): Plugin {
  const repeated = new Set<Exchange>();
  const over = new WeakSet<Exchange>();
  return definePlugin({
    name: "recorder",
    setup: () => ({
      attemptEnd(x, target, outcome) {
        attempts.push({ client: x.headers[clientHeader]?.toString(), target, outcome, repeated: repeated.size });
        const { kind } = outcome;
        // A first phase is not sent again by core, and a release comes when all is over.
        if ((kind === "connect" || kind === "local") && target.meta["role"] === "decode" && !over.has(x))
          repeated.add(x);
      },
      end(x) {
        over.add(x);
        repeated.delete(x);
      },
    }),
  })();
}

/** Nothing is under way anywhere. */
export async function expectQuiet({ proxy, prefill, decode }: ProxiedStage): Promise<void> {
  await eventually(() => {
    expect([...prefill, ...decode].filter(({ load }) => load.now > 0)).toEqual([]);
    expect(proxy.status().active).toBe(0);
    expect(proxy.pools()[0]?.snapshot.all.filter(({ live }) => live.inflight > 0)).toEqual([]);
  });
}

/** Every attempt was told once; no worker saw more of them than that. */
export function expectCounted({ attempts, proxy, prefill, decode }: ProxiedStage): void {
  for (const { name, received } of [...prefill, ...decode]) {
    const told = attempts.filter(({ target }) => target.id === name).length;
    const live = proxy.pools()[0]?.snapshot.all.find(({ id }) => id === name)?.live;
    expect(live?.requests).toBe(told);
    expect(received.length).toBeLessThanOrEqual(told);
    expect(received.length).toBeGreaterThan(0);
  }
}

/** It broke, or was given up, for no reason of its client's. */
export function isCut({ kind }: Outcome): boolean {
  return kind === "reset" || kind === "stream-error" || kind === "local";
}

/** The answer that brought it, or the request that took it on, was on its way when a worker died or the client left. */
export function mayBeLost({ attempts, decode }: ProxiedStage, { client, worker }: Lease): boolean {
  const own = attempts.filter((attempt) => attempt.client === client);
  return own.some(({ target: { id }, outcome }) => {
    const left = outcome.kind === "client-abort";
    if (id === worker) return left || isCut(outcome);
    return decode.some(({ name }) => name === id) && (isCut(outcome) || (left && outcome.status === 0));
  });
}

/** However little there is to do, so many requests core sends again at a time, and may refuse to with one more. */
const budget = 3;

/** Clients one of whose attempts was cut, or not repeated when a worker was not reached. */
export function hurtClients({ attempts }: ProxiedStage): ReadonlySet<string | undefined> {
  const isHurt = ({ outcome, repeated }: Attempt): boolean =>
    isCut(outcome) || (outcome.kind === "connect" && repeated >= budget);
  return new Set(attempts.filter(isHurt).map(({ client }) => client));
}
