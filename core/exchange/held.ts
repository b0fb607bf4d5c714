import type { UpstreamHead } from "../contract/exchange.ts";
import type { ProxyError } from "../errors.ts";
import { guarded, type OwnedGate } from "../generation/gates.ts";

const defaultLimit = 64 * 1024;

/** An answer that the client has yet to see anything of. */
export class HeldAnswer {
  readonly head: UpstreamHead;
  /** Bytes of body that the upstream promised; -1 when it did not say. */
  readonly length: number;
  readonly chunks: Uint8Array[] = [];
  /** `performance.now()` */
  readonly since: number = performance.now();
  readonly #owned: OwnedGate;
  #size = 0;

  constructor(owned: OwnedGate, head: UpstreamHead, length: number) {
    this.#owned = owned;
    this.head = head;
    this.length = length;
  }

  /** Milliseconds; 0 is no limit. */
  get timeout(): number {
    return this.#owned.gate.timeout ?? 0;
  }

  /** What is to become of the answer with this chunk. */
  take(chunk: Uint8Array): "hold" | "pass" | ProxyError {
    const { plugin, gate } = this.#owned;
    this.chunks.push(chunk);
    this.#size += chunk.length;
    const verdict = guarded(plugin, () => gate.data(chunk));
    return verdict === "hold" && this.#size >= (gate.limit ?? defaultLimit) ? "pass" : verdict;
  }

  /** It came whole, and nothing was decided. */
  end(): "pass" | ProxyError {
    const { plugin, gate } = this.#owned;
    return guarded(plugin, () => gate.end?.() ?? "pass");
  }
}
