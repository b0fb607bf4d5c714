import type { Target } from "../../core/index.ts";

/** A target that wants to be left alone, by itself or with one model only. */
export interface CoolDown {
  readonly id: string;
  readonly model: string | undefined;
  /** `Date.now()` at which it is over. */
  readonly until: number;
  readonly reason: string;
}

/** Cool-downs of single models, as plain values; those of whole targets are verdicts, which core keeps. */
export interface ModelCoolDowns {
  /** Changes with each new one. */
  version: number;
  /** By target and model. */
  readonly until: Map<string, CoolDown>;
}

export function createModelCoolDowns(): ModelCoolDowns {
  return { version: 0, until: new Map() };
}

export function addCoolDown(all: ModelCoolDowns, coolDown: CoolDown, now: number): void {
  forgetOver(all, now);
  all.until.set(keyOf(coolDown.id, coolDown.model), coolDown);
  all.version += 1;
}

export function isCooling(all: ModelCoolDowns, { id, model }: Target, now: number): boolean {
  if (model === undefined) return false;
  const coolDown = all.until.get(keyOf(id, model));
  return coolDown !== undefined && coolDown.until > now;
}

/** Ends those of one target, or of all. Returns whose they were. */
export function endCoolDowns(all: ModelCoolDowns, target: string | undefined, now: number): string[] {
  forgetOver(all, now);
  const ended = [...all.until.values()].filter(({ id }) => target === undefined || id === target);
  for (const { id, model } of ended) all.until.delete(keyOf(id, model));
  if (ended.length > 0) all.version += 1;
  return ended.map(({ id }) => id);
}

/** When the next one is over. */
export function nextEnd(all: ModelCoolDowns, now: number): number {
  let next = Infinity;
  for (const { until } of all.until.values()) if (until > now) next = Math.min(next, until);
  return next;
}

/** When the first of the targets is back. */
export function firstBack(all: ModelCoolDowns, targets: readonly Target[]): number {
  return Math.min(...targets.map(({ id, model }) => all.until.get(keyOf(id, model))?.until ?? Infinity));
}

/** What is over is forgotten; there are never more than targets have models. */
function forgetOver(all: ModelCoolDowns, now: number): void {
  for (const [key, { until }] of all.until) if (until <= now) all.until.delete(key);
}

/** An id has no spaces. */
export function keyOf(id: string, model: string | undefined): string {
  return model === undefined ? id : `${id} ${model}`;
}
