const basis = 0x811c9dc5;
const prime = 0x01000193;

/** What two hashes of one text differ in. Among ten thousand texts, two are likely to have one of them in common. */
export const seeds: readonly [number, number] = [0, 0x2545f491];

/** FNV-1a over the UTF-16 units of a text, finished so that every bit of it depends on every unit. 32 bits. */
export function hashText(text: string, seed: number): number {
  let hash = basis ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), prime);
  return finish(hash);
}

/**
 * Writes both hashes of a text that stands in parts, with a space between them, without putting it together: that
 * would take memory. Of each part the first `most` units are hashed, and of a longer one its length.
 */
export function hashParts(parts: readonly string[], most: number, into: Int32Array): void {
  let one = basis ^ seeds[0];
  let other = basis ^ seeds[1];
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    if (index > 0) {
      one = Math.imul(one ^ 0x20, prime);
      other = Math.imul(other ^ 0x20, prime);
    }
    const end = part.length < most ? part.length : most;
    for (let i = 0; i < end; i++) {
      const unit = part.charCodeAt(i);
      one = Math.imul(one ^ unit, prime);
      other = Math.imul(other ^ unit, prime);
    }
    if (part.length <= most) continue;
    one = Math.imul(one ^ part.length, prime);
    other = Math.imul(other ^ part.length, prime);
  }
  into[0] = finish(one);
  into[1] = finish(other);
}

/** The finaliser of MurmurHash3. */
export function finish(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/**
 * Goes on with a hash over bytes, in two lanes for speed. It is one to one in the state before: what differs in front
 * stays apart behind the same bytes. A view is read twice as fast, but has to be made.
 */
export function hashBytes(bytes: Uint8Array | DataView, from: number, to: number, state: Int32Array): void {
  const view = bytes instanceof DataView ? bytes : undefined;
  const array = bytes as Uint8Array;
  let one = state[0]!;
  let other = state[1]!;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    one = Math.imul(one ^ (view === undefined ? wordAt(array, at) : view.getInt32(at, true)), 0x9e3779b1);
    other = Math.imul(other ^ (view === undefined ? wordAt(array, at + 4) : view.getInt32(at + 4, true)), 0x85ebca77);
    one ^= one >>> 15;
    other ^= other >>> 13;
  }
  for (; at < to; at++) {
    one = Math.imul(one ^ (view === undefined ? array[at]! : view.getUint8(at)), 0x9e3779b1);
    one ^= one >>> 15;
  }
  state[0] = one;
  state[1] = other;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
