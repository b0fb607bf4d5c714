/** Bytes in the order they came, taken out in pieces of any size without copying more than needed. */
export interface ByteQueue {
  readonly length: number;
  push(bytes: Buffer): void;
  /** Takes `count` bytes, which must be there. */
  take(count: number): Buffer;
  /** Length of the first line with its LF, 0 if there is none yet. */
  lineLength(): number;
}

export function byteQueue(): ByteQueue {
  const pieces: Buffer[] = [];
  let length = 0;

  /** Joins the first pieces until one holds all of `count` bytes, or the line that `found` looks for. */
  const join = (found: (first: Buffer) => boolean): Buffer => {
    while (pieces[0] !== undefined && pieces.length > 1 && !found(pieces[0]))
      pieces.splice(0, 2, Buffer.concat(pieces.slice(0, 2)));
    return pieces[0] ?? Buffer.alloc(0);
  };
  return {
    get length() {
      return length;
    },
    push(bytes) {
      pieces.push(bytes);
      length += bytes.length;
    },
    take(count) {
      const parts: Buffer[] = [];
      for (let left = count; left > 0;) {
        const first = pieces.shift() ?? Buffer.alloc(0);
        parts.push(first.subarray(0, left));
        if (first.length > left) pieces.unshift(first.subarray(left));
        left -= Math.min(left, first.length);
      }
      length -= count;
      return Buffer.concat(parts);
    },
    lineLength: () => join((first) => first.includes("\n")).indexOf("\n") + 1,
  };
}
