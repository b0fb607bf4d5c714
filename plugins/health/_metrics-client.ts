import type { Agent } from "undici";
import type { Target } from "../../core/index.ts";
import { createSampleReader } from "./_metrics-text.ts";
import { createProbeAgents } from "./_probe-agents.ts";
import { createTurns } from "./_turns.ts";

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
  const agents = createProbeAgents(settings.timeout);

  async function read(target: Target, cancel: AbortController): Promise<MetricsAnswer> {
    const timer = setTimeout(() => cancel.abort(), settings.timeout);
    try {
      return await request(agents.of(target), target.origin, cancel.signal, settings);
    } catch {
      // No connection, no HTTP, no end, no time, or the proxy closes: whether a target can be reached is others' to tell.
      return { kind: "silent" };
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    read: (target, cancel) => inTurn(() => read(target, cancel)),
    close: () => agents.close(),
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
