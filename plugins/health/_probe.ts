import type { Target } from "../../core/index.ts";
import { createProbeAgents } from "./_probe-agents.ts";
import { createTurns } from "./_turns.ts";

/** One status or an inclusive range of them. */
export type Expected = number | readonly [from: number, to: number];

export interface ProbeSettings {
  readonly path: string;
  readonly timeout: number;
  readonly expect: readonly Expected[];
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBytes: number;
}

export interface Prober {
  /** One GET; why it failed, or undefined when it passed. Never rejects. */
  probe(target: Target, cancel: AbortController): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Under way at once: thousands of targets must not use up the descriptors that their requests need. */
const mostProbes = 256;

/** Probes over connections of its own, made on first use. */
export function createProber(settings: ProbeSettings): Prober {
  const { path, timeout, headers, expect, maxBytes } = settings;
  const inTurn = createTurns(mostProbes);
  const agents = createProbeAgents(timeout);

  async function probe(target: Target, cancel: AbortController): Promise<string | undefined> {
    const { origin } = target;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      cancel.abort();
    }, timeout);
    try {
      const { signal } = cancel;
      const { statusCode, body } = await agents.of(target).request({ origin, path, method: "GET", headers, signal });
      await readUpTo(body, maxBytes);
      return accepts(expect, statusCode) ? undefined : `status ${statusCode}`;
    } catch (error) {
      return late ? `no answer within ${timeout} ms` : toReason(error);
    } finally {
      clearTimeout(timer);
    }
  }

  return { probe: (target, cancel) => inTurn(() => probe(target, cancel)), close: () => agents.close() };
}

/** Leaving the loop early destroys the connection, so that a body without end costs no more than the limit. */
async function readUpTo(body: AsyncIterable<Uint8Array>, limit: number): Promise<void> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes >= limit) return;
  }
}

function accepts(expect: readonly Expected[], status: number): boolean {
  return expect.some((one) => (typeof one === "number" ? status === one : status >= one[0] && status <= one[1]));
}

/** The code of what the system says, else the words of what undici says. */
function toReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" && /^E[A-Z]+$/.test(error.code) ? error.code : error.message;
}
