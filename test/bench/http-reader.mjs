const headEnd = Buffer.from("\r\n\r\n");
const contentLength = /\r\ncontent-length: *(\d+)/i;
const chunked = /\r\ntransfer-encoding: *chunked/i;

/**
 * Reads HTTP/1.1 messages off one connection: just enough of the protocol for the bench's own upstream and load,
 * whose cost must stay far below that of any proxy between them.
 */
export class HttpReader {
  #state = this.#readHead;
  #left = 0;
  #carry = "";
  #events;

  /** `events`: `head(text)`, `body(buffer, from, to)`, `end()`, called in that order for each message. */
  constructor(events) {
    this.#events = events;
  }

  /** Reads `buffer` up to `length`; keeps nothing of it, so that the caller may use it again. */
  push(buffer, length) {
    let at = 0;
    while (at < length) at = this.#state(buffer, at, length);
  }

  #readHead(buffer, at, length) {
    if (this.#carry !== "") return this.#readCarriedHead(buffer, at, length);
    const end = buffer.indexOf(headEnd, at);
    if (end < 0 || end + 4 > length) {
      this.#carry = buffer.latin1Slice(at, length);
      return length;
    }
    this.#startBody(buffer.latin1Slice(at, end));
    return end + 4;
  }

  #readCarriedHead(buffer, at, length) {
    const before = this.#carry.length;
    const text = this.#carry + buffer.latin1Slice(at, length);
    const end = text.indexOf("\r\n\r\n");
    this.#carry = end < 0 ? text : "";
    if (end < 0) return length;
    this.#startBody(text.slice(0, end));
    return at + end + 4 - before;
  }

  #startBody(head) {
    const fixed = contentLength.exec(head);
    this.#left = fixed === null ? 0 : Number(fixed[1]);
    this.#state = fixed === null && chunked.test(head) ? this.#readChunkSize : this.#readFixed;
    this.#events.head(head);
    if (this.#state === this.#readFixed && this.#left === 0) this.#finish();
  }

  #readFixed(buffer, at, length) {
    const to = Math.min(length, at + this.#left);
    this.#left -= to - at;
    this.#events.body(buffer, at, to);
    if (this.#left === 0) this.#finish();
    return to;
  }

  #readChunkSize(buffer, at, length) {
    for (let index = at; index < length; index++) {
      const byte = buffer[index];
      if (byte === 0x0a) {
        this.#left = Number.parseInt(this.#carry, 16);
        this.#carry = "";
        this.#state = this.#left === 0 ? this.#readTrailers : this.#readChunk;
        return index + 1;
      }
      if (byte !== 0x0d) this.#carry += String.fromCharCode(byte);
    }
    return length;
  }

  #readChunk(buffer, at, length) {
    const to = Math.min(length, at + this.#left);
    this.#left -= to - at;
    this.#events.body(buffer, at, to);
    if (this.#left === 0) {
      this.#left = 2;
      this.#state = this.#skipLineEnd;
    }
    return to;
  }

  #skipLineEnd(_buffer, at, length) {
    const to = Math.min(length, at + this.#left);
    this.#left -= to - at;
    if (this.#left === 0) this.#state = this.#readChunkSize;
    return to;
  }

  #readTrailers(buffer, at, length) {
    for (let index = at; index < length; index++) {
      const byte = buffer[index];
      if (byte === 0x0a) {
        const last = this.#carry === "";
        this.#carry = "";
        if (last) this.#finish();
        return index + 1;
      }
      if (byte !== 0x0d) this.#carry += String.fromCharCode(byte);
    }
    return length;
  }

  #finish() {
    this.#state = this.#readHead;
    this.#events.end();
  }
}
