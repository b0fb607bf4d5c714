import { finish, hashBytes } from "./_hash.ts";
import { eachWritten, isNamed, toBuffer, toMemberName, type VisitMember } from "./_json-spans.ts";

/** Where a prompt stands in a body, in the order in which upstreams put it together. */
const places = ["tools", "system", "instructions", "messages", "input", "prompt"].map(toMemberName);

/** Bytes of a body from which on a view of it is made: beside so many it is nothing. */
const many = 4_096;

/** Offsets of each place: start and end. Shared by all calls, as `state` is: none of them yields before it is done. */
const spans: Int32Array = new Int32Array(places.length * 2);
const state: Int32Array = new Int32Array(2);

/**
 * Hashes a body's prompt, without parsing it, block by block: each hash stands for all of the prompt up to the end of
 * its block, and `seed`. Gives how many were written; what does not fill a block is left out.
 */
export function hashBlocks(body: Uint8Array, block: number, seed: number, into: Int32Array): number {
  const bytes = toBuffer(body);
  spans.fill(0);
  eachWritten(bytes, noteSpan);
  const source = bytes.length < many ? bytes : new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  state.fill(seed);
  let count = 0;
  let left = block;
  for (let i = 0; i < spans.length; i += 2) {
    const end = spans[i + 1]!;
    for (let at = spans[i]!; at < end && count < into.length;) {
      const stop = Math.min(at + left, end);
      hashBytes(source, at, stop, state);
      left -= stop - at;
      at = stop;
      if (left > 0) continue;
      into[count++] = finish(state[0]! ^ Math.imul(state[1]!, 0xc2b2ae3d));
      left = block;
    }
  }
  return count;
}

const noteSpan: VisitMember = (bytes, start, end, name) => {
  for (let place = 0; place < places.length; place++) {
    if (!isNamed(bytes, name, places[place]!)) continue;
    spans[2 * place] = start;
    spans[2 * place + 1] = end;
  }
};
