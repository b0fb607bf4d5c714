import { importPlugins } from "../config/own-modules.ts";
import type { Plugin } from "../plugin.ts";
import { addressRangeHint, isAddressRange } from "../wire/address-rules.ts";
import { usageError } from "./failure.ts";

/** An empty variable is as good as none. */
export function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** As long as a timer can be told of, in seconds: some 24 days. */
const longest = 2_147_483;

/** Milliseconds. @throws Failure that names where the seconds came from */
export function parseSeconds(text: string | undefined, origin: string, least = "0.001"): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d+(?:\.\d{1,3})?$/u.test(text) ? Number(text) : Number.NaN;
  if (seconds <= longest && (seconds > 0 || least !== "0.001")) return Math.round(seconds * 1_000);
  throw usageError(`${origin} ${text} is no number of seconds`, `write seconds from ${least} to ${longest}`);
}

/** @throws Failure that names where it came from */
export function parseWhole(text: string | undefined, origin: string, fix: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/u.test(text)) return Number(text);
  throw usageError(`${origin} ${text} is no whole number`, fix);
}

/** @throws Failure that says what is no URL of a registry */
export function parseRegistryUrl(text: string): string {
  if (/^https?:\/\/[^\s\\@?#/]+[^\s\\@?#]*$/iu.test(text) && URL.canParse(text)) return text;
  if (text.includes("@"))
    throw usageError("--registry-url has credentials in it", "leave them out: a registry is read by all");
  const near = URL.canParse(`http://${text}`) ? `http://${text}` : "http://127.0.0.1:18000";
  throw usageError(`--registry-url ${text} is no URL of a registry`, `did you mean --registry-url ${near}?`);
}

/** Undefined without any. @throws Failure that names the one that is none */
export function parseRanges(ranges: readonly string[] = [], flag: string): readonly string[] | undefined {
  const wrong = ranges.find((range) => !isAddressRange(range));
  if (wrong !== undefined) throw usageError(`${flag} ${wrong} is no address range`, addressRangeHint);
  return ranges.length === 0 ? undefined : ranges;
}

/** For the eye: without query. */
export function withoutSecrets(text: string): string {
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname === "/" ? "" : pathname}`;
}

/** A plugin, or a preset of several, by the name of its factory: core depends on none. */
export async function makePlugin<P = Plugin>(name: string, options: object): Promise<P> {
  const factory = Object.entries(await importPlugins()).find(([exported]) => exported === name)?.[1] as
    | ((options: object) => P)
    | undefined;
  if (factory === undefined) throw new Error(`the plugin ${name} is missing`);
  return factory(options);
}
