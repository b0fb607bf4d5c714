import { Agent } from "undici";
import { type AddressRules, addressRulesOf, type Target } from "../../core/index.ts";

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
  const turn = createTurns(mostProbes);
  /** By where the targets may be. */
  const agents = new Map<string | undefined, Agent>();

  function agentFor(target: Target): Agent {
    const rules = addressRulesOf(target);
    let agent = agents.get(rules?.text);
    if (agent === undefined) agents.set(rules?.text, (agent = createAgent(timeout, rules)));
    return agent;
  }

  return {
    async probe(target, cancel) {
      const { origin } = target;
      await turn.take();
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        cancel.abort();
      }, timeout);
      try {
        const { signal } = cancel;
        const { statusCode, body } = await agentFor(target).request({ origin, path, method: "GET", headers, signal });
        await readUpTo(body, maxBytes);
        return accepts(expect, statusCode) ? undefined : `status ${statusCode}`;
      } catch (error) {
        return late ? `no answer within ${timeout} ms` : toReason(error);
      } finally {
        clearTimeout(timer);
        turn.leave();
      }
    },
    async close() {
      const open = [...agents.values()];
      agents.clear();
      await Promise.all(open.map((agent) => agent.destroy()));
    },
  };
}

interface Turns {
  take(): Promise<void> | undefined;
  leave(): void;
}

/** Lets so many at a time. */
function createTurns(most: number): Turns {
  const waiting: (() => void)[] = [];
  let under = 0;
  return {
    take() {
      if (under === most) return new Promise((resolve) => void waiting.push(resolve));
      under += 1;
      return undefined;
    },
    leave() {
      const next = waiting.shift();
      if (next === undefined) under -= 1;
      else next();
    },
  };
}

function createAgent(timeout: number, rules: AddressRules | undefined): Agent {
  return new Agent({
    // A connection for each probe: it shows that the target still accepts, and no idle one can die under it.
    pipelining: 0,
    connect: { timeout, ...(rules !== undefined && { lookup: rules.lookup }) },
    // The deadline is the prober's own timer; undici's tick every 500 ms.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
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
