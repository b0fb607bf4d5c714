import { configError } from "../config/config-error.ts";
import { suggest } from "../config/suggest.ts";
import type { Services } from "../contract/services.ts";
import { turns } from "./turns.ts";

type Kind = keyof Services;

interface Provided {
  readonly service: unknown;
  readonly plugin: string;
  readonly index: number;
}

interface Wanted {
  readonly kind: Kind;
  /** Undefined: the first in the config. */
  readonly name: string | undefined;
  readonly plugin: string;
  readonly index: number;
}

/** Who provides what and who wants it; linked once, after all setups. */
export class ServiceTable {
  #provided: Map<Kind, Map<string, Provided>> = new Map();
  #wanted: Wanted[] = [];
  #linked = false;
  /** What a list of plugins does not provide itself, those around it may. */
  readonly #around: ServiceTable | undefined;

  constructor(around?: ServiceTable) {
    this.#around = around;
  }

  provide(kind: Kind, name: string, service: unknown, plugin: string, index: number): void {
    const services = this.#of(kind);
    const other = services.get(name);
    if (other !== undefined) {
      const message = `${kind} "${name}" is provided twice: by plugins[${other.index}] ${other.plugin} and by this one`;
      throw configError(plugin, index, message, "remove one, or give it another name");
    }
    services.set(name, { service, plugin, index });
  }

  use<K extends Kind>(
    kind: K,
    name: string | undefined,
    plugin: string,
    index: number,
  ): { readonly value: Services[K] } {
    const wanted: Wanted = { kind, name, plugin, index };
    this.#wanted.push(wanted);
    return lazy(() => {
      if (!this.#linked) throw early(wanted);
      return this.find(wanted) as Services[K];
    });
  }

  useAll<K extends Kind>(kind: K, plugin: string, index: number): { readonly value: ReadonlyMap<string, Services[K]> } {
    return lazy(() => {
      if (!this.#linked) throw early({ kind, name: "*", plugin, index });
      return this.all(kind);
    });
  }

  /** Its own come first, and hide those of the same name. */
  all<K extends Kind>(kind: K): Map<string, Services[K]> {
    const found = new Map([...this.#of(kind)].map(([name, { service }]) => [name, service as Services[K]]));
    for (const [name, service] of this.#around?.all(kind) ?? []) if (!found.has(name)) found.set(name, service);
    return found;
  }

  /** Its own services of a kind with the plugin that provides each. */
  providers<K extends Kind>(
    kind: K,
  ): { readonly name: string; readonly plugin: string; readonly service: Services[K] }[] {
    return [...this.#of(kind)].map(([name, { plugin, service }]) => ({
      name,
      plugin,
      service: service as Services[K],
    }));
  }

  names(kind: Kind): string[] {
    return [...new Set([...this.#of(kind).keys(), ...(this.#around?.names(kind) ?? [])])];
  }

  find(wanted: Wanted): unknown {
    const names = this.names(wanted.kind);
    const name = wanted.name ?? names[0];
    if (name === undefined && wanted.kind === "selector") return turns;
    const found = this.#lookUp(wanted.kind, name ?? "");
    if (found !== undefined) return found.service;
    const near = suggest(name ?? "", names);
    const fix =
      near !== undefined
        ? `did you mean "${near}"?`
        : names.length > 0
          ? `provided: ${names.join(", ")}`
          : `add a plugin that provides a ${wanted.kind}`;
    throw configError(
      wanted.plugin,
      wanted.index,
      `wants ${wanted.kind} "${name ?? "any"}", which no plugin of this config provides`,
      fix,
    );
  }

  link(): void {
    this.#linked = true;
    for (const wanted of this.#wanted) this.find(wanted);
  }

  #lookUp(kind: Kind, name: string): Provided | undefined {
    const own = this.#of(kind).get(name);
    return own !== undefined || this.#around === undefined ? own : this.#around.#lookUp(kind, name);
  }

  #of(kind: Kind): Map<string, Provided> {
    let services = this.#provided.get(kind);
    if (services === undefined) this.#provided.set(kind, (services = new Map()));
    return services;
  }
}

function early(wanted: Wanted): Error {
  const message = `reads ${wanted.kind} "${wanted.name}" during setup, before it is linked`;
  return configError(
    wanted.plugin,
    wanted.index,
    message,
    "keep what use() returned and read .value in a hook or in onReady",
  );
}

function lazy<T>(read: () => T): { readonly value: T } {
  let value: T | undefined;
  return {
    get value(): T {
      return (value ??= read());
    },
  };
}
