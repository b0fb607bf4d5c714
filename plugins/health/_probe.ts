import { connect, isIPv4 } from "node:net";
import { dialerOf, type Target } from "../../core/index.ts";
import { createProbeAgents, type ProbeAgents } from "./_probe-agents.ts";
import { createTurns } from "./_turns.ts";

/** One status or an inclusive range of them. */
export type Expected = number | readonly [from: number, to: number];

export interface ProbeSettings {
  readonly type: "http" | "tcp";
  readonly method: "GET" | "HEAD";
  readonly path: string;
  readonly timeout: number;
  readonly expect: readonly Expected[];
  readonly body: string | RegExp | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBytes: number;
}

/** Why it failed; undefined: it passed; null: nothing could be learned. */
export type ProbeResult = string | undefined | null;

export interface Prober {
  /** Asks once. Never rejects. */
  probe(target: Target, cancel: AbortController): Promise<ProbeResult>;
  close(): Promise<void>;
}

/** Runs probes so many at a time, whoever asks. */
export type ProbeTurns = ReturnType<typeof createTurns>;

/** Under way at once: thousands of targets must not use up the descriptors that their requests need. */
const mostProbes = 256;

const ownFaults: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

export function createProbeTurns(): ProbeTurns {
  return createTurns(mostProbes);
}

/** Probes over connections of its own, made on first use. */
export function createProber(settings: ProbeSettings, inTurn: ProbeTurns): Prober {
  const { timeout, type } = settings;
  const agents = createProbeAgents(timeout);

  async function probe(target: Target, cancel: AbortController): Promise<ProbeResult> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      cancel.abort();
    }, timeout);
    try {
      const { signal } = cancel;
      return await (type === "tcp" ? dial(target, signal) : request(agents, target, signal, settings));
    } catch (error) {
      return late ? `no answer within ${timeout} ms` : toResult(error);
    } finally {
      clearTimeout(timer);
    }
  }

  return { probe: (target, cancel) => inTurn(() => probe(target, cancel)), close: () => agents.close() };
}

/** Whether the target takes a connection; TLS is not spoken. */
async function dial(target: Target, signal: AbortSignal): Promise<undefined> {
  const { protocol, hostname, port } = new URL(target.origin);
  const { rules } = dialerOf(target);
  const socket = connect({
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(port || (protocol === "https:" ? 443 : 80)),
    ...(rules !== undefined && { lookup: rules.lookup }),
    signal,
  });
  try {
    await new Promise<void>((resolve, reject) => void socket.once("connect", resolve).on("error", reject));
  } finally {
    socket.destroy();
  }
}

async function request(
  agents: ProbeAgents,
  target: Target,
  signal: AbortSignal,
  { path, method, headers, expect, body: wanted, maxBytes }: ProbeSettings,
): Promise<string | undefined> {
  const { origin } = target;
  const { statusCode, body } = await agents.of(target).request({ origin, path, method, headers, signal });
  const text = await readUpTo(body, maxBytes, wanted !== undefined);
  if (!accepts(expect, statusCode)) return `status ${statusCode}`;
  return wanted === undefined || holds(text, wanted) ? undefined : `status ${statusCode} without the expected body`;
}

/** Leaving the loop early destroys the connection, so that a body without end costs no more than the limit. */
async function readUpTo(body: AsyncIterable<Uint8Array>, limit: number, keep: boolean): Promise<string> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    if (keep) kept.push(chunk.subarray(0, limit - bytes));
    bytes += chunk.byteLength;
    if (bytes >= limit) break;
  }
  return Buffer.concat(kept).toString("utf8");
}

function accepts(expect: readonly Expected[], status: number): boolean {
  return expect.some((one) => (typeof one === "number" ? status === one : status >= one[0] && status <= one[1]));
}

/** Not `test`: an expression with `g` or `y` would go on where it found something before. */
function holds(text: string, wanted: string | RegExp): boolean {
  return typeof wanted === "string" ? text.includes(wanted) : text.search(wanted) !== -1;
}

/** The code of what the system says, else the words of what undici says. */
export function toResult(error: unknown): ProbeResult {
  if (!(error instanceof Error)) return String(error);
  const { code = "", address = "" } = error as NodeJS.ErrnoException & { readonly address?: string };
  if (isOwnFault(code, address)) return null;
  return /^E[A-Z]+$/.test(code) ? code : error.message;
}

/** What this machine is out of says nothing of a target, and would take all of them down at once. */
function isOwnFault(code: string, address: string): boolean {
  // Of an IPv6 address it says that this machine has no IPv6, and not that its ports are used up.
  return ownFaults.has(code) || (code === "EADDRNOTAVAIL" && isIPv4(address));
}
