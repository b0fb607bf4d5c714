import { isPlugin, type PluginInstance } from "../plugin.ts";
import { missingVariable } from "./env.ts";

/** What stands in the options of a plugin and is not theirs to check. */
export interface Found {
  /** As in `fast.selector`. */
  readonly path: string;
  /** The environment variable that is missing there. */
  readonly variable?: string;
  /** A plugin given to this one. */
  readonly plugin?: PluginInstance;
}

const deepest = 12;

/** Finds plugins and missing variables in lists and plain objects, at any depth that a person would write. */
export function walkOptions(input: unknown, path = "", depth = 0): Found[] {
  const variable = missingVariable(input);
  if (variable !== undefined) return [{ path, variable }];
  if (path !== "" && isPlugin(input)) return [{ path, plugin: input as unknown as PluginInstance }];
  if (typeof input !== "object" || input === null || depth > deepest) return [];
  if (!Array.isArray(input) && !isPlain(input)) return [];
  return Object.entries(input).flatMap(([key, value]) =>
    walkOptions(value, path === "" ? key : `${path}.${key}`, depth + 1),
  );
}

/** Made by `{}`, or without a prototype: no instance of a class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
