import type { DiscoverySink, Reporter } from "../../core/index.ts";
import { type EntryRules, type Listed, readEntry, toPrint } from "./_registry-entry.ts";

export interface IntakeOptions extends EntryRules {
  readonly sink: DiscoverySink;
  readonly reporter: Reporter;
  warn(text: string): void;
}

/** What is known of a service. */
export interface Service {
  /** Its entry as text, without what changes all the time. */
  readonly print: string;
  readonly down: string | undefined;
  /** When it is to go, unless it is listed again; undefined: it is listed. */
  until: number | undefined;
}

/** Names whose refusal is remembered, so that it is told once. */
const mostRefused = 100;

/** Takes an entry of the registry in, and pushes what is new of it; gives its name if it is a target now. */
export function createIntake(
  services: Map<string, Service>,
  options: IntakeOptions,
): (entry: unknown) => string | undefined {
  const { sink, reporter } = options;
  const refuse = createRefusals(options.warn);

  /** First the target: of one that the pool does not hold a verdict would be lost. */
  function push({ name, spec, down }: Listed, known: Service | undefined): void {
    sink.upsert(spec);
    if (known !== undefined && known.down === down) return;
    // Also of a new one: the generation before may have said that it is down.
    if (down === undefined) reporter.up(name);
    else reporter.down(name, down);
  }

  return (entry) => {
    const print = toPrint(entry);
    const given = nameOf(entry);
    const known = services.get(given ?? "");
    if (known !== undefined && known.print === print) {
      known.until = undefined;
      return given;
    }
    const reading = readEntry(entry, options);
    if (reading === undefined) return undefined;
    if ("refused" in reading || print === undefined) {
      refuse.tell(reading.name, "refused" in reading ? reading.refused : "it cannot be written as JSON");
      return undefined;
    }
    refuse.forget(reading.name);
    push(reading, known);
    services.set(reading.name, { print, down: reading.down, until: undefined });
    return reading.name;
  };
}

export function nameOf(entry: unknown): string | undefined {
  if (typeof entry !== "object" || entry === null || !("name" in entry)) return undefined;
  return typeof entry.name === "string" ? entry.name : undefined;
}

interface Refusals {
  /** Once for each name and reason. */
  tell(name: string, reason: string): void;
  forget(name: string): void;
}

function createRefusals(warn: (text: string) => void): Refusals {
  const told = new Map<string, string>();
  return {
    tell(name, reason) {
      const key = name.slice(0, 128);
      if (told.get(key) === reason || (told.size >= mostRefused && !told.has(key))) return;
      told.set(key, reason);
      warn(`service "${key.replaceAll(/[^\x20-\x7e]/g, "?")}" of the registry is left out: ${reason}`);
      if (told.size === mostRefused) warn("so many services are left out that others are not told");
    },
    forget: (name) => void told.delete(name),
  };
}
