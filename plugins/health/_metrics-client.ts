import { Agent } from "undici";
import type { Target } from "../../core/index.ts";
import type { Dialer } from "../../core/targets/dialer.ts";
import { dialerOf } from "../../core/targets/target.ts";
import { createSampleReader } from "./_metrics-text.ts";

export interface MetricsSettings {
  readonly path: string;
  readonly timeout: number;
  readonly maxBytes: number;
  /** Of the samples that are read. */
  readonly names: readonly string[];
}

/** What a target says of itself: sums by name, which are none where it has no metrics, or nothing that could be read. */
export type MetricsAnswer =
  | { readonly kind: "sums"; readonly sums: ReadonlyMap<string, number> }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "silent" };

export interface MetricsClient {
  /** One GET; never rejects. */
  read(target: Target, cancel: AbortController): Promise<MetricsAnswer>;
  close(): Promise<void>;
}

/** Under way at once: each may take megabytes, and the requests need their descriptors. */
const mostReads = 32;

/** Statuses of servers that have no such page. */
const absent: ReadonlySet<number> = new Set([404, 405, 410, 501]);

const none: MetricsAnswer = { kind: "sums", sums: new Map() };

/** Reads over connections of its own, made on first use. */
export function createMetricsClient(settings: MetricsSettings): MetricsClient {
  const inTurn = createTurns(mostReads);
  /** By how the targets are connected to. */
  const agents = new Map<string, Agent>();

  function agentFor(target: Target): Agent {
    const dialer = dialerOf(target);
    let agent = agents.get(dialer.text);
    if (agent === undefined) agents.set(dialer.text, (agent = createAgent(settings.timeout, dialer)));
    return agent;
  }

  async function read(target: Target, cancel: AbortController): Promise<MetricsAnswer> {
    const timer = setTimeout(() => cancel.abort(), settings.timeout);
    try {
      return await request(agentFor(target), target.origin, cancel.signal, settings);
    } catch {
      // No connection, no HTTP, no end, no time, or the proxy closes: whether a target can be reached is others' to tell.
      return { kind: "silent" };
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    read: (target, cancel) => inTurn(() => read(target, cancel)),
    async close() {
      const open = [...agents.values()];
      agents.clear();
      await Promise.all(open.map((agent) => agent.destroy()));
    },
  };
}

async function request(
  agent: Agent,
  origin: string,
  signal: AbortSignal,
  { path, names, maxBytes }: MetricsSettings,
): Promise<MetricsAnswer> {
  const { statusCode, body } = await agent.request({ origin, path, method: "GET", signal });
  if (statusCode !== 200) {
    // Its end is told as an error, which is one only to who wants the body.
    body.on("error", () => {}).destroy();
    return absent.has(statusCode) ? none : { kind: "refused", why: `answers with status ${statusCode}` };
  }
  const reader = createSampleReader(names);
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Part of the samples would be another sum, and that looks like a step.
    if (bytes > maxBytes) return { kind: "refused", why: `has more than ${maxBytes} bytes` };
    reader.add(chunk);
  }
  return { kind: "sums", sums: reader.end() };
}

function createAgent(timeout: number, dialer: Dialer): Agent {
  return new Agent({
    // A connection for each reading: none is left idle for the target to close under it.
    pipelining: 0,
    connect: dialer.connector(timeout),
    // The deadline is the client's own timer; undici's tick every 500 ms.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** Runs so many at a time, the others in the order they came. */
function createTurns(most: number): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (run) => {
    if (running === most) await new Promise<void>((resolve) => void waiting.push(resolve));
    else running += 1;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
