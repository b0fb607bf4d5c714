import { type BackendTerms, type BackendTools, createBackend, type KeptBackend } from "./_backend.ts";
import type { Backend } from "./_backend-options.ts";
import { createRegistrar, type Registrar } from "./_registrar.ts";

/** Where and how the registry is told. */
export interface RegistrySettings {
  readonly url: readonly string[];
  readonly token?: string | undefined;
  /** Milliseconds. */
  readonly heartbeat: number;
  readonly lease?: number | undefined;
}

/** What one generation of the config wants to run. */
export interface Demand {
  readonly backends: readonly { readonly options: Backend; readonly registry: RegistrySettings | undefined }[];
  readonly logged: boolean;
}

/** The backends of all generations of a config: what two of them want alike is one process. */
export interface Fleet {
  /** Nothing runs yet. In the order of the demand. */
  acquire(holder: object, demand: Demand): readonly KeptBackend[];
  /** Runs those of the holder; what is in the way of these, of a config before, is stopped. */
  begin(holder: object): void;
  /** Stops what nobody else holds; resolves when that is gone. */
  release(holder: object): Promise<void>;
}

interface Held {
  readonly key: string;
  readonly backend: KeptBackend;
  /** In the order in which they came: the last one's terms count. */
  readonly holders: Map<object, BackendTerms>;
}

interface Post {
  readonly registrar: Registrar;
  readonly holders: Set<object>;
}

export function createFleet(tools: BackendTools): Fleet {
  const fleet = new Map<string, Held>();
  const leaving = new Set<{ readonly held: Held; readonly gone: Promise<void> }>();
  const posts = new Map<string, Post>();

  function registrarOf(holder: object, settings: RegistrySettings | undefined): Registrar | undefined {
    if (settings === undefined) return undefined;
    const key = JSON.stringify(settings);
    const post = posts.get(key) ?? { registrar: createRegistrar({ ...settings, ...tools }), holders: new Set() };
    posts.set(key, post);
    post.holders.add(holder);
    return post.registrar;
  }

  function startOne(held: Held): void {
    const ends: Promise<void>[] = [];
    for (const other of fleet.values()) {
      const { name } = other.backend.options;
      if (isRival(other, held)) ends.push(other.backend.giveWay(name === held.backend.options.name));
    }
    for (const { held: other, gone } of leaving) if (isRival(other, held)) ends.push(gone);
    held.backend.open(ends.length === 0 ? undefined : Promise.all(ends));
    if (held.backend.options.onDemand === false) held.backend.start();
  }

  function leave(held: Held): Promise<void> {
    fleet.delete(held.key);
    const entry = { held, gone: held.backend.close() };
    leaving.add(entry);
    return entry.gone.finally(() => leaving.delete(entry));
  }

  async function closePosts(holder: object): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const [key, { registrar, holders }] of posts) {
      if (!holders.delete(holder) || holders.size > 0) continue;
      posts.delete(key);
      closing.push(registrar.close());
    }
    await Promise.all(closing);
  }

  return {
    acquire(holder, { backends, logged }) {
      return backends.map(({ options, registry }) => {
        const terms: BackendTerms = { options, registrar: registrarOf(holder, registry), logged };
        const key = fixedPart(options);
        const held = fleet.get(key) ?? { key, backend: createBackend(terms, tools), holders: new Map() };
        fleet.set(key, held);
        held.holders.set(holder, terms);
        held.backend.use(terms);
        return held.backend;
      });
    },
    begin(holder) {
      for (const held of fleet.values()) if (held.holders.has(holder)) startOne(held);
    },
    async release(holder) {
      const ends: Promise<void>[] = [];
      for (const held of fleet.values()) {
        if (!held.holders.delete(holder)) continue;
        const terms = [...held.holders.values()].at(-1);
        if (terms === undefined) ends.push(leave(held));
        else held.backend.use(terms);
      }
      // Those that had to give way to a config that was refused.
      for (const held of fleet.values()) if (![...fleet.values()].some((other) => isRival(other, held))) startOne(held);
      await Promise.all(ends);
      await closePosts(holder);
    },
  };
}

/** They cannot run side by side. */
function isRival(one: Held, other: Held): boolean {
  if (one === other) return false;
  const [a, b] = [one.backend, other.backend];
  return a.options.name === b.options.name || (a.status.port > 0 && a.status.port === b.status.port);
}

/** What a running process cannot change. */
function fixedPart({ name, command, cwd, env, host, port, control, controlHost }: Backend): string {
  return JSON.stringify([name, command, cwd, env, host, port, control ?? null, controlHost]);
}
