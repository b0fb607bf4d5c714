import { Agent } from "undici";
import { startDeadline } from "./_registrar-deadline.ts";

export interface RegistryRequest {
  readonly method: "POST" | "PUT" | "DELETE";
  /** Below the registry's own path. */
  readonly path: string;
  readonly leaseId: string;
  readonly body?: object;
}

/** What came of a request. Its texts hold neither the token nor a lease id, and are safe to log. */
export interface RegistryAnswer {
  /** 0: no registry answered, except for failures of its own. */
  readonly status: number;
  /** Why it was refused, in the registry's words; or why none answered, one by one. */
  readonly reason: string;
  /** The registry that answered, as it is shown. */
  readonly url: string;
}

export interface RegistryClient {
  /** Asks the registries in turn until one answers, each for `timeout` milliseconds at most. Never rejects. */
  send(request: RegistryRequest, signal: AbortSignal, timeout?: number): Promise<RegistryAnswer>;
  close(): Promise<void>;
}

export interface RegistryClientOptions {
  readonly url: readonly string[];
  readonly token?: string | undefined;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
}

interface Registry {
  readonly origin: string;
  readonly basePath: string;
  readonly shown: string;
  failedAt: number;
}

type Ask = (registry: Registry, request: RegistryRequest, signal: AbortSignal) => Promise<RegistryAnswer>;

const answerWithin = 5_000;

/** Milliseconds for which a registry that failed is asked after the others. */
const avoidFor = 30_000;

const readBytes = 16_384;

/** Writes to a registry that has several addresses, over connections of its own that are made on first use. */
export function createRegistryClient({ url, token, now }: RegistryClientOptions): RegistryClient {
  const registries = url.map(toRegistry);
  let agent: Agent | undefined;
  const ask: Ask = (registry, request, signal) => {
    agent ??= new Agent({ connect: { timeout: answerWithin }, headersTimeout: 0, bodyTimeout: 0 });
    return askOne(agent, registry, { ...request, token, signal });
  };
  return {
    async send(request, signal, timeout = answerWithin) {
      const failures = new Map<Registry, string>();
      for (const registry of inTurn(registries, now())) {
        const deadline = startDeadline(timeout, signal);
        const answer = await ask(registry, request, deadline.signal);
        deadline.clear();
        if (!isAway(answer.status)) return answer;
        registry.failedAt = now();
        failures.set(registry, `${registry.shown}: ${deadline.late() ? "no answer in time" : answer.reason}`);
        if (signal.aborted) break;
      }
      // In the order of the options, so that the same trouble has the same words.
      const reasons = registries.map((registry) => failures.get(registry)).filter((reason) => reason !== undefined);
      return { status: 0, reason: reasons.join("; "), url: registries[0]?.shown ?? "" };
    },
    async close() {
      await agent?.destroy();
      agent = undefined;
    },
  };
}

/** 507 is the refusal of a registry that is full, not the failure of one that is broken. */
function isAway(status: number): boolean {
  return status === 0 || (status >= 500 && status !== 507);
}

function toRegistry(text: string): Registry {
  const { origin, pathname } = new URL(text);
  const basePath = pathname.replace(/\/+$/u, "");
  return { origin, basePath, shown: `${origin}${basePath}`, failedAt: -Infinity };
}

/**
 * In the order of the options, those that failed lately last. Since the first always becomes the first again, all who
 * share a list end up with the same registry, also where each keeps its services to itself.
 */
function inTurn(registries: readonly Registry[], now: number): readonly Registry[] {
  const failed = ({ failedAt }: Registry): number => (now - failedAt < avoidFor ? 1 : 0);
  return registries.toSorted((a, b) => failed(a) - failed(b));
}

interface Sent extends RegistryRequest {
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

async function askOne(agent: Agent, registry: Registry, sent: Sent, again = true): Promise<RegistryAnswer> {
  const { origin, basePath, shown: url } = registry;
  const { method, path, body, signal } = sent;
  try {
    const { statusCode: status, body: answer } = await agent.request({
      origin,
      path: `${basePath}${path}`,
      method,
      headers: toHeaders(sent),
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    });
    return { status, reason: toReason(await readUpTo(answer, readBytes)) || `status ${status}`, url };
  } catch (error) {
    const reason = toCode(error);
    // The registry has closed a connection that was kept alive; all that is sent may be sent twice.
    if (again && /^(?:UND_ERR_SOCKET|ECONNRESET|EPIPE)$/u.test(reason)) return askOne(agent, registry, sent, false);
    return { status: 0, reason, url };
  }
}

function toHeaders({ token, leaseId, body }: Sent): Record<string, string> {
  return {
    accept: "application/json",
    "x-lease-id": leaseId,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { "content-type": "application/json" }),
  };
}

/** Leaving the loop early destroys the connection. */
async function readUpTo(body: AsyncIterable<Uint8Array>, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= limit) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The text of `{"error": text}`, on one line and short; empty for anything else. */
function toReason(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
    return typeof error === "string" ? error.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ").slice(0, 256) : "";
  } catch {
    // The original registry refuses in plain text or in none; its status says as much.
    return "";
  }
}

/** The code of what the system says, else the words of what undici says. */
function toCode(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
