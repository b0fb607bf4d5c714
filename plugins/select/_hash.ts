/** FNV-1a over the UTF-16 units of a text, finished so that every bit of it depends on every unit. 32 bits. */
export function hashText(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return finish(hash);
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
 * stays apart behind the same bytes.
 */
export function hashBytes(bytes: DataView, from: number, to: number, state: Int32Array): void {
  let one = state[0]!;
  let other = state[1]!;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    one = Math.imul(one ^ bytes.getInt32(at, true), 0x9e3779b1);
    other = Math.imul(other ^ bytes.getInt32(at + 4, true), 0x85ebca77);
    one ^= one >>> 15;
    other ^= other >>> 13;
  }
  for (; at < to; at++) {
    one = Math.imul(one ^ bytes.getUint8(at), 0x9e3779b1);
    one ^= one >>> 15;
  }
  state[0] = one;
  state[1] = other;
}
