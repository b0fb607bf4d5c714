import { Readable } from "node:stream";
import { ProxyError } from "../errors.ts";
import { allowBody, tooLarge } from "../exchange/body.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";

/**
 * The client's body as a stream for one attempt. A stream of its own, because undici destroys what it was given when an
 * upstream fails, and destroying the request would destroy the client's socket before it has its answer.
 */
export class Upload extends Readable {
  readonly #x: ActiveExchange;
  readonly #limit: number;
  readonly #onData: (chunk: Buffer) => void;
  readonly #onEnd: () => void;
  readonly #onClose: () => void;
  #listening = false;

  constructor(x: ActiveExchange) {
    super();
    this.#x = x;
    this.#limit = x.generation.proxy.limits.body;
    this.#onData = (chunk) => this.#take(chunk);
    // Node closes a request that has come whole, also while some of it still waits here.
    this.#onEnd = () => {
      x.bodyAt = 0;
      x.req.off("close", this.#onClose);
      this.push(null);
    };
    // A client that leaves in the middle: the upstream must see an aborted request, never a short one.
    this.#onClose = () =>
      void this.destroy(new ProxyError("client_closed", "The client left in the middle of its request."));
  }

  override _read(): void {
    const { req } = this.#x;
    if (!this.#listening) {
      this.#listening = true;
      allowBody(this.#x);
      req.on("data", this.#onData).once("end", this.#onEnd).once("close", this.#onClose);
    }
    this.#x.bodyAt = this.#x.generation.proxy.active.now;
    this.#x.clientHeld = false;
    req.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { req } = this.#x;
    this.#x.bodyAt = 0;
    this.#x.clientHeld = false;
    req.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onClose);
    // Once an answer is on its way the rest of the body is let through, and thrown away.
    if (!this.#x.committed) req.pause();
    callback(error);
  }

  #take(chunk: Buffer): void {
    const x = this.#x;
    x.bodyStarted = true;
    x.bytesIn += chunk.length;
    x.current?.sending();
    if (x.bytesIn > this.#limit) {
      this.destroy(tooLarge(this.#limit));
      return;
    }
    if (this.push(chunk)) {
      x.bodyAt = x.generation.proxy.active.now;
      return;
    }
    // The upstream does not keep up: that is not the client's silence.
    x.bodyAt = 0;
    x.clientHeld = true;
    x.req.pause();
  }
}
