import { expect, test } from "vitest";
import { type Exchange } from "plugboard";
import { fakeExchange, fakeTarget } from "plugboard/testing";
import { createSeats, type Seat, type Seats } from "../../../plugins/select/_seats.ts";
import { createKeyReader, type KeyReader } from "../../../plugins/select/_session-key.ts";

const now = (): number => 0;
const [one, other] = [fakeTarget({ id: "one" }), fakeTarget({ id: "other" })];
const by = (name: string): Exchange => fakeExchange({ headers: { "x-session-id": name } });

interface Rig {
  readonly kept: Map<number, Seat>;
  readonly seats: Seats;
  /** Id of the target that has the session. */
  seatOf(name: string): string | undefined;
  answer(name: string, target: typeof one): void;
}

/** Seats of sessions whose keys have the hashes that `change` makes of them. */
function rig(change: (hashes: Int32Array) => void = () => {}): Rig {
  const keys = createKeyReader("header:x-session-id");
  const changed: KeyReader = {
    ...keys,
    read(x) {
      const found = keys.read(x);
      change(keys.hashes);
      return found;
    },
  };
  const kept = new Map<number, Seat>();
  const seats = createSeats(kept, changed, { ttl: 1_000, max: 100 });
  return {
    kept,
    seats,
    seatOf(name) {
      changed.read(by(name));
      return seats.find(now)?.id;
    },
    answer(name, target) {
      changed.read(by(name));
      seats.answered(target, 0);
    },
  };
}

test("two sessions whose keys have a hash in common keep their own seats", () => {
  const names = alikeInOneHash();
  const { kept, seatOf, answer } = rig();
  answer(names[0], one);
  expect(seatOf(names[1])).toBeUndefined();
  answer(names[1], other);
  expect(names.map(seatOf)).toEqual(["one", "other"]);
  answer(names[0], one);
  expect([names.map(seatOf), kept.size]).toEqual([["one", "other"], 2]);
});

test("a session never sits where one of the same hashes does; the one heard of first makes room", () => {
  const { kept, seatOf, answer } = rig((hashes) => hashes.fill(7));
  answer("a", one);
  expect(seatOf("b")).toBeUndefined();
  answer("b", other);
  expect([seatOf("a"), seatOf("b"), kept.size]).toEqual([undefined, "other", 1]);
});

test("a third session of the same two hashes takes the seat that was not heard of for longer", () => {
  const { kept, seatOf, answer } = rig((hashes) => hashes.set([7, 8]));
  for (const name of ["a", "b", "c"]) answer(name, name === "b" ? other : one);
  expect([kept.size, ["a", "b", "c"].map(seatOf)]).toEqual([2, [undefined, "other", "one"]]);
});

test("the sessions of a target that is gone are forgotten", () => {
  const { kept, seats, seatOf, answer } = rig();
  answer("a", one);
  answer("b", other);
  seats.forgetOthers([other]);
  expect([seatOf("a"), seatOf("b"), kept.size]).toEqual([undefined, "other", 1]);
});

/** Two names among enough for it to be all but certain that two of their 32 bit hashes are the same. */
function alikeInOneHash(): [string, string] {
  const { read, hashes } = createKeyReader("header:x-session-id");
  const names = new Map<number, string>();
  for (let i = 0; i < 1_000_000; i++) {
    const name = `s${i}`;
    read(by(name));
    const before = names.get(hashes[0]!);
    if (before !== undefined) return [before, name];
    names.set(hashes[0]!, name);
  }
  throw new Error("no two hashes are the same");
}
