import type { Target } from "../../core/index.ts";

/** A name and how much of the traffic it is to have, in any unit. */
export type Share = readonly [name: string, share: number];

/** Targets of one list by arm. */
export interface Arms {
  /** At the index of each share its targets; behind them those of no arm. Only ones that may be picked. */
  readonly members: readonly (readonly Target[])[];
  /** The arm at a point of [0, 1). */
  at(point: number): number;
  /** What each arm gets of the traffic, 0 to 1. */
  readonly parts: readonly number[];
}

/** Index of the arm a target is in; that of the last share and one for none. */
export type ArmOf = (target: Target) => number;

export function createArmOf(shares: readonly Share[], label: string): ArmOf {
  const indices = new Map(shares.map(([name], index) => [name, index]));
  return ({ labels, meta }) => {
    // By type: every object has something under a name such as constructor.
    const name: unknown = typeof labels[label] === "string" ? labels[label] : meta[label];
    return (typeof name === "string" ? indices.get(name) : undefined) ?? shares.length;
  };
}

export function toArms(targets: readonly Target[], shares: readonly Share[], armOf: ArmOf): Arms {
  const weighted = targets.filter(({ weight }) => weight > 0);
  const members: Target[][] = Array.from({ length: shares.length + 1 }, () => []);
  for (const target of weighted.length > 0 ? weighted : targets) members[armOf(target)]!.push(target);
  const told = [...shares.map(([, share]) => share), 0];
  const present = presentShares(told, members);
  const whole = toEnds(told);
  const rest = toEnds(present);
  return {
    members: members.map((each) => Object.freeze(each)),
    parts: toParts(present),
    at(point) {
      const arm = firstBeyond(whole, point);
      if (present[arm]! > 0) return arm;
      // Only those whose arm is empty move: where they lie in it is a point again, of the line without it.
      const start = arm === 0 ? 0 : whole[arm - 1]!;
      const within = (point - start) / (whole[arm]! - start);
      return firstBeyond(rest, within >= 0 && within < 1 ? within : 0);
    },
  };
}

/** The shares of arms that have a target; if all of those are 0 they are alike, and if there are none the rest has all. */
function presentShares(told: readonly number[], members: readonly (readonly Target[])[]): readonly number[] {
  const present = told.map((share, arm) => (members[arm]!.length > 0 ? share : 0));
  if (present.some((share) => share > 0)) return present;
  const rest = told.length - 1;
  const alike = told.map((_, arm) => (arm !== rest && members[arm]!.length > 0 ? 1 : 0));
  return alike.includes(1) ? alike : told.map((_, arm) => (arm === rest ? 1 : 0));
}

/** Of the highest first: the sum of shares near the largest number would not be one. */
function toParts(shares: readonly number[]): number[] {
  const most = Math.max(...shares);
  const relative = shares.map((share) => share / most);
  const total = relative.reduce((sum, share) => sum + share, 0);
  return relative.map((share) => share / total);
}

/** Where on [0, 1) each one's part ends, in the order given. */
function toEnds(shares: readonly number[]): readonly number[] {
  let end = 0;
  const parts = toParts(shares);
  const last = parts.findLastIndex((part) => part > 0);
  return parts.map((part, index) => (end = index >= last ? 1 : end + part));
}

/** One without a part ends where it begins and is never found. */
function firstBeyond(ends: readonly number[], point: number): number {
  for (let arm = 0; arm < ends.length; arm++) if (point < ends[arm]!) return arm;
  return ends.length - 1;
}
