import { randomBytes } from "node:crypto";

const closeOpcode = 8;
const goingAway = 1001;

/**
 * Knows where in a run of WebSocket frames the last chunk ended (RFC 6455 5.2). It keeps none of the bytes and makes
 * nothing per chunk; of a frame it reads the 2 to 14 bytes of header and skips the rest.
 */
export class FrameTracker {
  /** Bytes of payload still to come. */
  #payload = 0;
  /** Bytes of the current header that have come; 0 between two frames and within a payload. */
  #seen = 0;
  #lengthEnd = 2;
  #headerEnd = 2;
  #length = 0;
  #closed = false;

  /** A frame may follow: none is under way, and none was Close, behind which nothing may come (5.5.1). */
  get atBoundary(): boolean {
    return this.#payload === 0 && this.#seen === 0 && !this.#closed;
  }

  pass(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#payload === 0) {
        this.#header(chunk[at++] as number);
        continue;
      }
      const skipped = Math.min(this.#payload, chunk.length - at);
      this.#payload -= skipped;
      at += skipped;
    }
  }

  #header(byte: number): void {
    const index = this.#seen++;
    if (index === 0) {
      if ((byte & 0x0f) === closeOpcode) this.#closed = true;
      return;
    }
    if (index === 1) this.#lengths(byte);
    else if (index < this.#lengthEnd) this.#length = this.#length * 256 + byte;
    if (this.#seen < this.#headerEnd) return;
    this.#seen = 0;
    this.#payload = this.#length;
  }

  #lengths(byte: number): void {
    const short = byte & 0x7f;
    this.#length = short < 126 ? short : 0;
    this.#lengthEnd = short < 126 ? 2 : short === 126 ? 4 : 10;
    this.#headerEnd = this.#lengthEnd + ((byte & 0x80) === 0 ? 0 : 4);
  }
}

/** Close with 1001, "going away". What is sent to a server is masked, with a key nobody can guess (RFC 6455 5.3). */
export function closeFrame(masked: boolean): Uint8Array {
  const code = [goingAway >> 8, goingAway & 0xff] as const;
  if (!masked) return Uint8Array.of(0x80 | closeOpcode, 2, ...code);
  const key = randomBytes(4);
  const hidden = code.map((byte, index) => byte ^ (key[index] as number));
  return Uint8Array.of(0x80 | closeOpcode, 0x80 | 2, ...key, ...hidden);
}
