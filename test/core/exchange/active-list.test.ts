import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ActiveList } from "../../../core/exchange/active-list.ts";
import type { ActiveExchange } from "../../../core/exchange/exchange.ts";

interface Node {
  readonly name: number;
  previous: Node | undefined;
  next: Node | undefined;
}

const node = (name: number): Node => ({ name, previous: undefined, next: undefined });
/** Of an exchange the list knows its neighbours only. */
const asExchange = (one: Node): ActiveExchange => one as unknown as ActiveExchange;
const nameOf = (x: ActiveExchange): number => (x as unknown as Node).name;

function names(list: ActiveList): number[] {
  const seen: number[] = [];
  list.each((x) => seen.push(nameOf(x)));
  return seen;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the list", () => {
  test("holds what was added, the newest first", () => {
    const list = new ActiveList(() => {});
    for (const name of [1, 2, 3]) list.add(asExchange(node(name)));
    expect(names(list)).toEqual([3, 2, 1]);
    expect(list.size).toBe(3);
  });

  test.each([
    ["the first", 3, [2, 1]],
    ["one in the middle", 2, [3, 1]],
    ["the last", 1, [3, 2]],
  ])("lets go of %s", (_what, gone, left) => {
    const list = new ActiveList(() => {});
    const nodes = [1, 2, 3].map(node);
    for (const one of nodes) list.add(asExchange(one));
    const removed = nodes[gone - 1] as Node;
    list.remove(asExchange(removed));
    expect(names(list)).toEqual(left);
    expect([removed.previous, removed.next]).toEqual([undefined, undefined]);
  });

  test("is whole after anything was added and removed, also while it is walked through", () => {
    const step = fc.oneof(
      fc.constant({ add: true } as const),
      fc.record({ remove: fc.nat(30) }),
      fc.record({ removeWhileWalking: fc.array(fc.nat(30)), addWhileWalking: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const list = new ActiveList(() => {});
        const model: Node[] = [];
        let count = 0;
        const add = (): void => {
          model.unshift(node(count++));
          list.add(asExchange(model[0] as Node));
        };
        const remove = (one: Node): void => {
          model.splice(model.indexOf(one), 1);
          list.remove(asExchange(one));
        };
        for (const said of steps) {
          if ("add" in said) add();
          else if ("remove" in said) {
            const one = model[said.remove];
            if (one !== undefined) remove(one);
          } else {
            const before = model.map(({ name }) => name);
            const seen: number[] = [];
            list.each((x) => {
              const name = nameOf(x);
              seen.push(name);
              if (said.addWhileWalking) add();
              if (said.removeWhileWalking.includes(name)) remove(x as unknown as Node);
            });
            expect(seen).toEqual(before);
          }
          expect(names(list)).toEqual(model.map(({ name }) => name));
          expect(list.size).toBe(model.length);
        }
        list.close();
      }),
    );
  });
});

describe("the one timer", () => {
  test("checks each exchange every 50 ms with the time it is", () => {
    const checked: [number, number][] = [];
    const list = new ActiveList((x, now) => void checked.push([nameOf(x), now]));
    list.add(asExchange(node(1)));
    list.add(asExchange(node(2)));
    vi.advanceTimersByTime(100);
    expect(checked.map(([name]) => name)).toEqual([2, 1, 2, 1]);
    expect(list.now).toBe(performance.now());
    expect(vi.getTimerCount()).toBe(1);
    list.close();
  });

  test("is not there before the first exchange, and goes when none came for a second", () => {
    const list = new ActiveList(() => {});
    expect(vi.getTimerCount()).toBe(0);
    const one = asExchange(node(1));
    list.add(one);
    list.remove(one);
    vi.advanceTimersByTime(1_000);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
    list.add(one);
    expect(vi.getTimerCount()).toBe(1);
    list.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("shows the right time at once to an exchange that comes after a pause", () => {
    const list = new ActiveList(() => {});
    vi.advanceTimersByTime(60_000);
    list.add(asExchange(node(1)));
    expect(list.now).toBe(performance.now());
    list.close();
  });
});
