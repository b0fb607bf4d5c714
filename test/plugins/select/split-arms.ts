import * as v from "valibot";
import { defineSelector, type Exchange, isPlugin, type Plugin, type Target } from "plugboard";
import { split, type SplitOptions } from "plugboard/plugins/select/split";
import { fakeExchange, fakePool, type FakeTarget, fakeTargets, selectorOf } from "plugboard/testing";

/** Targets by arm, such as `"canary stable stable"`; `-` is in none. */
export function arms(
  groups: string,
  fields: (index: number) => Partial<FakeTarget> = () => ({}),
): readonly FakeTarget[] {
  const names = groups.split(" ");
  return fakeTargets(names.length, (index) => ({
    labels: names[index] === "-" ? {} : { group: names[index]! },
    ...fields(index),
  }));
}

export const armOf = (target: Target | undefined): string => target?.labels["group"] ?? "-";

export async function picking(targets: readonly Target[], options: SplitOptions) {
  const { shares, ...settings } = options;
  const selector = await selectorOf(split(shares, settings), fakePool(targets));
  return (x: Partial<Exchange> = {}, list: readonly Target[] = targets) => selector.pick(list, fakeExchange(x));
}

/** Five standard deviations of that many independent picks: chance alone exceeds them once in 1.7 million. */
export const bound = (count: number, part: number): number => 5 * Math.sqrt(count * part * (1 - part));

/** Puts the targets of the suite into the arms a, b and none, and looks the same from outside. */
export function labelled(selector: Plugin): Plugin {
  const faces = new WeakMap<Target, Target>();
  const origins = new WeakMap<Target, Target>();
  const lists = new WeakMap<readonly Target[], readonly Target[]>();
  const toFace = (target: Target): Target => {
    let face = faces.get(target);
    if (face === undefined) {
      const group = ["a", "b", "none"][target.id.charCodeAt(target.id.length - 1) % 3]!;
      faces.set(target, (face = Object.freeze({ ...target, labels: { group } })));
      origins.set(face, target);
    }
    return face;
  };
  const toFaces = (targets: readonly Target[]): readonly Target[] => {
    let list = lists.get(targets);
    if (list === undefined) lists.set(targets, (list = Object.freeze(targets.map(toFace))));
    return list;
  };
  const facing = (x: Exchange): Exchange => (x.tried.length === 0 ? x : { ...x, tried: x.tried.map(toFace) });
  return defineSelector({
    name: "labelled",
    options: v.strictObject({ selector: v.custom<Plugin>(isPlugin) }),
    create(_pool, options, tools) {
      const inner = tools.inner(options.selector);
      return {
        pick(targets, x) {
          const picked = inner.pick(toFaces(targets), facing(x));
          return picked && origins.get(picked);
        },
        update: (snapshot) => inner.update?.({ ...snapshot, all: toFaces(snapshot.all) }),
        attemptStart: (target, x) => inner.attemptStart?.(toFace(target), x),
        attemptEnd: (target, outcome, x) => inner.attemptEnd?.(toFace(target), outcome, x),
        explain: (targets, x) => inner.explain?.(toFaces(targets), facing(x)) ?? [],
      };
    },
  })({ selector });
}
