interface Node {
  /** valibot: object, array, record, and what wraps a schema. */
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly item?: unknown;
  readonly value?: unknown;
  readonly wrapped?: unknown;
  readonly pipe?: readonly unknown[];
  /** zod's object; valibot's picklist or union. */
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly options?: readonly unknown[];
  readonly type?: string;
  /** valibot's lazy: the schema for an input; an object has names to know. */
  readonly getter?: (input: unknown) => unknown;
}

/** The option names allowed at a path, where the schema shows them. Standard Schema itself has no word for it. */
export function knownKeys(schema: unknown, path: readonly PropertyKey[]): string[] | undefined {
  for (const node of nodesAt(schema, path)) {
    const entries = node.entries ?? node.shape;
    if (entries !== undefined && typeof entries === "object") return Object.keys(entries);
  }
  return undefined;
}

/** The values allowed at a path, where the schema lists them. */
export function knownValues(schema: unknown, path: readonly PropertyKey[]): string[] | undefined {
  for (const node of nodesAt(schema, path)) {
    if (node.type === "picklist" && Array.isArray(node.options)) return node.options.map(String);
  }
  return undefined;
}

function nodesAt(schema: unknown, path: readonly PropertyKey[]): Node[] {
  let nodes = unwrap(schema);
  for (const key of path) nodes = nodes.flatMap((node) => step(node, key));
  return nodes;
}

function step(node: Node, key: PropertyKey): Node[] {
  const entries = node.entries ?? node.shape;
  if (entries !== undefined && Object.hasOwn(entries, key)) return unwrap(entries[String(key)]);
  if (node.item !== undefined) return unwrap(node.item);
  if (node.type === "record") return unwrap(node.value);
  return [];
}

function unwrap(schema: unknown): Node[] {
  if (schema === null || typeof schema !== "object") return [];
  const node = schema as Node;
  if (node.wrapped !== undefined) return unwrap(node.wrapped);
  if (node.type === "lazy" && node.getter !== undefined) return unwrap(node.getter({}));
  if (node.type === "union" || node.type === "variant") return (node.options ?? []).flatMap(unwrap);
  return [node];
}
