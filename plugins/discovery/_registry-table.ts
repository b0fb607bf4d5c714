import { readEntry } from "./_registry-entry.ts";
import { createIntake, type IntakeOptions, nameOf, type Service } from "./_registry-intake.ts";

export interface TableOptions extends IntakeOptions {
  /** Milliseconds that a service stays which the registry no longer lists. */
  readonly grace: number;
  /** The same where the registry may only have forgotten it. */
  readonly keep: number;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
}

/** The services that a registry lists, or did until lately; what changes of them goes to the sink. */
export interface Table {
  readonly services: ReadonlyMap<string, Readonly<Service>>;
  /** What the last list was like. */
  readonly heard: Heard;
  /** Takes over what another table, of the generation before, knows. */
  restore(from: Table): void;
  /** All that the registry has. `epoch`: undefined for one that has none. */
  sync(entries: readonly unknown[], epoch: string | undefined): void;
  upsert(entry: unknown): void;
  /** The registry says that it is gone. */
  remove(name: string): void;
  /** Lets those go whose time is over; to be called while the registry answers. */
  sweep(): void;
  /** Pushes once more what is there already: the sink takes it for the end of a failure. */
  confirm(): void;
}

interface Heard {
  /** False until the first list. */
  readonly any: boolean;
  readonly epoch: string | undefined;
  /** It had none of the services that are looked for. */
  readonly bare: boolean;
}

export function createTable(options: TableOptions): Table {
  const { sink, grace, now } = options;
  const services = new Map<string, Service>();
  const put = createIntake(services, options);
  let heard: Heard = { any: false, epoch: undefined, bare: false };

  function remove(name: string): void {
    if (services.delete(name)) sink.remove(name);
  }

  function sweep(): void {
    const time = now();
    for (const [name, { until }] of services) if (until !== undefined && until <= time) remove(name);
  }

  return {
    services,
    get heard() {
      return heard;
    },
    restore(from) {
      heard = from.heard;
      for (const { print, until } of from.services.values()) {
        const name = put(JSON.parse(print));
        if (name !== undefined) services.get(name)!.until = until;
      }
    },
    sync(entries, epoch) {
      const seen = putAll(entries, put);
      const list = { any: true, epoch, bare: seen.size === 0 };
      const missing = [...services].filter(([name]) => !seen.has(name)).map(([, service]) => service);
      postpone(missing, heard, list, options);
      heard = list;
      sweep();
    },
    upsert(entry) {
      const name = put(entry);
      const known = services.get(nameOf(entry) ?? "");
      if (name !== undefined) heard = { ...heard, bare: false };
      // It became something that is not for this pool: as good as no longer listed.
      else if (known !== undefined) known.until ??= now() + grace;
    },
    remove,
    sweep,
    confirm: () => pushAgain(services.values(), options),
  };
}

function pushAgain(services: Iterable<Service>, options: TableOptions): void {
  for (const { print } of services) {
    const reading = readEntry(JSON.parse(print), options);
    if (reading !== undefined && "spec" in reading) return options.sink.upsert(reading.spec);
  }
  options.sink.replace([]);
}

/** The first of a name counts. */
function putAll(entries: readonly unknown[], put: (entry: unknown) => string | undefined): ReadonlySet<string> {
  const seen = new Set<string>();
  for (const entry of entries) {
    const given = nameOf(entry);
    const name = given !== undefined && seen.has(given) ? undefined : put(entry);
    if (name !== undefined) seen.add(name);
  }
  return seen;
}

/** Those that are missing for the first time get their time; all get more when the registry lost its memory just now. */
function postpone(missing: readonly Service[], last: Heard, list: Heard, { now, grace, keep }: TableOptions): void {
  const another = last.any && last.epoch !== list.epoch;
  const forgetful = another || list.bare;
  const justNow = another || (list.bare && !last.bare);
  const end = now() + (forgetful ? keep : grace);
  for (const service of missing) {
    if (service.until === undefined || (justNow && service.until < end)) service.until = end;
  }
}
