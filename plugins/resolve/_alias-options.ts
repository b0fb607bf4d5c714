import type { Plugin, RetryOptions, Timeouts } from "../../core/index.ts";

/** A model of the upstreams. */
export interface AliasModelTarget {
  /** What the upstream calls the model; in an alias with a `*`, a `*` here is what that one stands for. */
  model: string;
  /** Only targets with this `provider` label, or with this id. @default every target that serves the model */
  provider?: string;
  /** Share of the group's traffic; times the weight of the target itself. @default 1 */
  weight?: number;
  /** False: written down, and never used. @default true */
  enabled?: boolean;
  alias?: never;
}

/** Another alias, with all that is behind it. */
export interface AliasReference {
  /** Its name; no synonym, and none with a `*`. */
  alias: string;
  /** Share of the group's traffic, for all its targets together. @default 1 */
  weight?: number;
  /** False: written down, and never used. @default true */
  enabled?: boolean;
  model?: never;
  provider?: never;
}

export type AliasTarget = AliasModelTarget | AliasReference;

export interface AliasGroup {
  /** Shown by explain. */
  name?: string;
  /** In the order that a selector such as `in-order` tries them. */
  targets: readonly AliasTarget[];
  /** Name of the selector, or one for this group alone. @default the alias's */
  selector?: string | Plugin;
}

/** A model of the upstreams that an alias falls back to. */
export interface AliasFallbackModel {
  /** What the upstream calls the model. */
  model: string;
  /** Only targets with this `provider` label, or with this id. @default every target that serves the model */
  provider?: string;
}

/** The name of another alias, or a model with what the alias itself says of fields, pool, retries and timeouts. */
export type AliasFallback = string | AliasFallbackModel;

export interface AliasEntry {
  /** In the order that a selector such as `in-order` tries them. */
  targets?: readonly AliasTarget[];
  /** In place of `targets`: those of a group are tried when none of the groups before it will do. */
  groups?: readonly AliasGroup[];
  /** Name of the selector, or one for this alias alone. @default the first in the config */
  selector?: string | Plugin;
  /** Other names for the same. */
  synonyms?: readonly string[];
  /** Shown in the list of models. */
  description?: string;
  /** Leaves it and its synonyms out of the list of models. @default false */
  hidden?: boolean;
  /** Top-level fields of the body, for requests that leave them out. */
  defaults?: Readonly<Record<string, unknown>>;
  /** Top-level fields of the body, whatever the request says. */
  set?: Readonly<Record<string, unknown>>;
  /** The pool of the targets. @default "default" */
  pool?: string;
  /**
   * Tried one after the other when the targets have failed, or none is available: each with targets, attempts and fields
   * of its own, and followed by its own fallback. @default none
   */
  fallback?: AliasFallback | readonly AliasFallback[];
  /** Statuses of answers that count as a failure here. @default 429 and all from 500 on; with a fallback only */
  fallbackOn?: readonly number[];
  /** When another target is tried. @default the config's */
  retry?: RetryOptions;
  /** Milliseconds; 0 is no limit. @default the config's */
  timeouts?: Partial<Timeouts>;
}

/**
 * By the name that clients use: up to 255 letters, digits and `_ . : / @ + -`, the first a letter or a digit. One `*` in
 * it stands for any one or more characters.
 */
export interface AliasOptions {
  readonly [name: string]: AliasEntry;
}

/** A place in the options. */
export type Keys = readonly (string | number)[];

/** The groups of an alias; of one without any, its targets are the only group. */
export function groupsOf({ targets: only, groups }: AliasEntry): readonly AliasGroup[] {
  return groups ?? [{ targets: only ?? [] }];
}

/** Each target of an alias with its place in the options. */
export function* targetsOf(id: string, { targets: only, groups = [] }: AliasEntry): Generator<[AliasTarget, Keys]> {
  for (const [i, target] of (only ?? []).entries()) yield [target, [id, "targets", i]];
  for (const [g, { targets: some }] of groups.entries()) {
    for (const [i, target] of some.entries()) yield [target, [id, "groups", g, "targets", i]];
  }
}

/** What an alias falls back to, each with its place in the options. */
export function fallbacksOf(id: string, { fallback = [] }: AliasEntry): readonly (readonly [AliasFallback, Keys])[] {
  if (typeof fallback === "string" || !isList(fallback)) return [[fallback, [id, "fallback"]]];
  return fallback.map((each, i) => [each, [id, "fallback", i]] as const);
}

function isList(value: AliasFallbackModel | readonly AliasFallback[]): value is readonly AliasFallback[] {
  return Array.isArray(value);
}
