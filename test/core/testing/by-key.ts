import type { Exchange, Plugin, SelectorTools, Target } from "plugboard";
import { type SelectorLaw, type SelectorSuite, type Test, testSelector } from "plugboard/testing";
import { faceOf, hash, lowest, selector, withWeight } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

/** Cases of both laws of selectors by a key. */
export const oneTarget = "sends each key to one target while nothing changes, be it any key";
export const moves = "moves only the keys of a target that has left, each to one other, and not all to the same";
export const down = "sends the keys of a target that is down elsewhere, and no others, whichever it is";
export const keyless = "spreads requests that have no key";

const requests: Pick<SelectorSuite, "exchange" | "keyless"> = {
  exchange: (key) => ({ headers: { "x-key": key } }),
  keyless: () => ({}),
};

/** Which cases of a law fail, of those of this name. */
export function lawFailures(create: () => Plugin, law: SelectorLaw, names: readonly string[]): Promise<string[]> {
  const cases = new Set([oneTarget, moves, down, keyless, ...names]);
  return failures((run) => {
    const lawful: Test = (name, body) => cases.has(name) && run(name, body);
    testSelector({ test: lawful, create, law, ...requests });
  });
}

export function keyOf(x: Exchange): string | undefined {
  return x.headers["x-key"] as string | undefined;
}

/** Any that has a weight. */
export function drawn(targets: readonly Target[], { random }: SelectorTools): Target | undefined {
  const some = withWeight(targets);
  return some[Math.floor(random() * some.length)];
}

type Choice = (key: string, targets: readonly Target[], x: Exchange) => Target | undefined;

/** A selector that looks at requests with a key; the others get one by chance. */
export function byKey(create: (tools: SelectorTools) => Choice): () => Plugin {
  return selector((_pool, tools) => {
    const choose = create(tools);
    return {
      pick(targets, x) {
        const key = keyOf(x);
        return key === undefined ? drawn(targets, tools) : choose(key, targets, x);
      },
    };
  });
}

/** Rendezvous hashing with weights: Schindelhauer and Schomaker 2005. */
export function rendezvous(
  key: string,
  targets: readonly Target[],
  nameOf = faceOf,
  weightOf = (target: Target) => target.weight,
): Target {
  return lowest(targets, (target) => -Math.log(hash(`${key} ${nameOf(target)}`)) / (weightOf(target) || 1));
}
