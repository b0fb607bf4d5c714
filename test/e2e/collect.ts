/** Everything that an async iterable gives; `Array.fromAsync` is not in every Node that is supported. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
