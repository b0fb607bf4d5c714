/** Children of a node: with four the heap is half as deep as with two, and siblings lie next to each other. */
const arity = 4;

/** Numbers in an order that is mended where one of them changed; one that is no member changes nothing. */
export interface Heap {
  first(): number;
  /** It comes earlier now; later. */
  rise(member: number): void;
  sink(member: number): void;
}

/** Takes over the list of members, all of them below `length`. */
export function createHeap(
  order: Uint32Array,
  length: number,
  isBefore: (one: number, other: number) => boolean,
): Heap {
  const places = new Int32Array(length).fill(-1);
  for (let place = 0; place < order.length; place++) places[order[place]!] = place;
  for (let place = order.length - 1; place >= 0; place--) sink(order[place]!);

  function put(member: number, place: number): void {
    order[place] = member;
    places[member] = place;
  }

  function rise(member: number): void {
    let place = places[member]!;
    while (place > 0) {
      const parent = Math.floor((place - 1) / arity);
      if (!isBefore(member, order[parent]!)) break;
      put(order[parent]!, place);
      place = parent;
    }
    if (place !== -1) put(member, place);
  }

  function sink(member: number): void {
    let place = places[member]!;
    if (place === -1) return;
    for (let child = firstOf(place); child !== -1 && isBefore(order[child]!, member); child = firstOf(place)) {
      put(order[child]!, place);
      place = child;
    }
    put(member, place);
  }

  /** Where the first of its children is; -1 without any. */
  function firstOf(parent: number): number {
    let first = parent * arity + 1;
    if (first >= order.length) return -1;
    const end = Math.min(first + arity, order.length);
    for (let child = first + 1; child < end; child++) if (isBefore(order[child]!, order[first]!)) first = child;
    return first;
  }

  return { first: () => order[0]!, rise, sink };
}
