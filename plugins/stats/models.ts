import * as v from "valibot";
import { type Catalog, definePlugin, type Plugin, type Pool, ProxyError, type Target } from "../../core/index.ts";

export interface ModelsOptions {
  /** Where the list is; one model is below it. @default both `/v1/models` and `/models` */
  path?: string;
  /** Lists the targets of this pool only. @default all pools */
  pool?: string;
}

interface Model {
  readonly id: string;
  readonly [field: string]: unknown;
}

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K], unknown> };

const schema = v.strictObject({
  path: v.optional(v.pipe(v.string(), v.regex(/^(\/[^/\s?#]+)+$/, "Expected a path such as /v1/models"))),
  pool: v.optional(v.pipe(v.string(), v.nonEmpty("Expected a word, not an empty string"))),
} satisfies Entries<ModelsOptions>);

/**
 * Serves the list of models to ask for, in the shape of the OpenAI API.
 *
 * It holds what the available targets say they serve, and the names that other plugins add, such as aliases, sorted
 * by id. A target's `meta.models_list` of whole model objects takes the place of its names; of several entries with
 * one id the first counts. `created` is when the proxy started, in seconds, unless such an object says otherwise.
 * A target that lists no models is not in it, though it takes any; nor is one that says in `meta.type` that it is
 * something other than `openai-api`.
 *
 * @example
 * models({ pool: "chat" });
 */
export const models: (options?: ModelsOptions) => Plugin = definePlugin({
  name: "models",
  options: schema,
  setup(proxy, { path, pool }) {
    const catalogs = proxy.useAll("catalog");
    const only = pool === undefined ? undefined : proxy.pool(pool);

    const list = (): Model[] => {
      const pools = only === undefined ? proxy.pools() : [only];
      const created = Math.floor(proxy.status().startedAt / 1000);
      return collect(pools, catalogs.value.values(), created);
    };

    for (const base of path === undefined ? ["/v1/models", "/models"] : [path]) {
      proxy.route("GET", base, () => ({ object: "list", data: list() }));
      // Ids may hold slashes, as they are: core refuses %2F in a path.
      proxy.route("GET", `${base}/**:id`, ({ context }) => {
        const id = decode(context.params?.id ?? "");
        const found = list().find((model) => model.id === id);
        if (found !== undefined) return found;
        throw new ProxyError("model_not_found", `Model '${id}' not found.`);
      });
    }
  },
});

/** Targets before catalogs, in config order: the first entry of an id counts. */
function collect(pools: readonly Pool[], catalogs: Iterable<Catalog>, created: number): Model[] {
  const found = new Map<string, Model>();
  const add = (id: string, fields?: object): void => {
    if (!found.has(id)) found.set(id, { id, object: "model", created, owned_by: "plugboard", ...fields });
  };
  for (const pool of pools) {
    for (const target of pool.snapshot.available.filter(speaksOpenai)) {
      const whole = target.meta.models_list;
      if (Array.isArray(whole)) for (const model of whole.filter(isModel)) add(model.id, model);
      else for (const id of target.models) add(id);
    }
  }
  for (const catalog of catalogs) {
    for (const { id, description, ownedBy } of catalog.models()) {
      add(id, {
        ...(ownedBy !== undefined && { owned_by: ownedBy }),
        ...(description !== undefined && { description }),
      });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Registries hold services of other kinds too. */
function speaksOpenai({ meta: { type } }: Target): boolean {
  return typeof type !== "string" || type === "openai-api";
}

function isModel(value: unknown): value is Model {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string";
}

function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id; // not an encoded text, so not the id of a model either
  }
}
