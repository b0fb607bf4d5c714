import { expect, test } from "vitest";
import { createProxy } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { headroom, type HeadroomOptions } from "plugboard/plugins/select/headroom";
import { fakeExchange, fakePool, type FakeTarget, fakeTargets } from "plugboard/testing";
import { noon } from "./limited.ts";
import { toldOf } from "./told.ts";

const day = 86_400_000;
const now = () => noon;

const tokens = (promptTokens: number, completionTokens: number) => ({
  promptTokens,
  completionTokens,
  totalTokens: promptTokens + completionTokens,
});

const ofVendor: Readonly<Record<string, string>> = { provider: "vendor" };

async function withQuotas(quotas: HeadroomOptions["quotas"], options: HeadroomOptions = { now }) {
  const targets = fakeTargets(3, (index) => ({ labels: index < 2 ? ofVendor : {} }));
  const told = await toldOf(headroom({ ...options, ...(quotas && { quotas }) }), fakePool(targets));
  const scores = () => told.selector.explain!(targets, fakeExchange()).map(({ score }) => Number(score.toFixed(6)));
  const notes = () => told.selector.explain!(targets, fakeExchange()).map(({ note }) => note);
  return { targets: targets as readonly [FakeTarget, FakeTarget, FakeTarget], ...told, scores, notes };
}

test("counts the requests of a quota: the part that is left over the hours to its end", async () => {
  const { targets, attempt, scores, notes } = await withQuotas({ t1: { requests: 10, window: day } });
  for (let i = 0; i < 4; i++) attempt(targets[0]);
  // 6 of 10 are left for the 12 hours to midnight UTC; the others count as the median, which is that.
  expect(scores()).toEqual([0.6 / 12, 0.6 / 12, 0.6 / 12].map((each) => Number(each.toFixed(6))));
  expect(notes()).toEqual([
    "4 of 10 requests of its quota used, 12 h to go",
    "has told no limits, counts as the median",
    "has told no limits, counts as the median",
  ]);
});

test("the quota of a provider is shared by its targets, and the lower of two holds", async () => {
  const quotas = { vendor: { requests: 10, window: day }, t2: { requests: 4, window: day } };
  const { targets, attempt, scores } = await withQuotas(quotas);
  for (let i = 0; i < 3; i++) attempt(targets[1]);
  expect(scores().slice(0, 2)).toEqual([0.7 / 12, 0.25 / 12].map((each) => Number(each.toFixed(6))));
  for (let i = 0; i < 9; i++) attempt(targets[1]);
  expect(scores().slice(0, 2)).toEqual([0, 0]);
});

test("counts the tokens of a quota when they are told, and before as many as answers have as a rule", async () => {
  const { targets, attempt, selector, notes } = await withQuotas({ t1: { tokens: 1_000, window: day } });
  attempt(targets[0], tokens(100, 50));
  expect(notes()[0]).toBe("150 of 1000 tokens of its quota used, 12 h to go");
  selector.attemptStart?.(targets[0], fakeExchange());
  expect(notes()[0]).toBe("300 of 1000 tokens of its quota used, 12 h to go");
});

test.each([NaN, -5, Infinity, 1e300, "5", null])("does not count %s tokens", async (told) => {
  const { targets, attempt, notes } = await withQuotas({ t1: { tokens: 1_000, window: day } });
  attempt(targets[0], { promptTokens: told, completionTokens: told, totalTokens: told });
  attempt(targets[0], tokens(1, 1));
  expect(notes()[0]).toBe("2 of 1000 tokens of its quota used, 12 h to go");
});

test("a quota begins anew with each window from 1970 on", async () => {
  let time = noon;
  const { targets, attempt, scores } = await withQuotas({ t1: { requests: 10, window: day } }, { now: () => time });
  for (let i = 0; i < 10; i++) attempt(targets[0]);
  expect(scores()[0]).toBe(0);
  time += day / 2 - 1;
  expect(scores()[0]).toBe(0);
  time += 1;
  expect(scores()[0]).toBe(Number((1 / 24).toFixed(6)));
  attempt(targets[0]);
  expect(scores()[0]).toBe(Number((0.9 / 24).toFixed(6)));
});

test("a quota that is used up is the last choice, and still one", async () => {
  const { targets, attempt, selector } = await withQuotas({ t1: { requests: 1, window: day } });
  attempt(targets[0]);
  const picked = Array.from({ length: 4 }, () => selector.pick(targets, fakeExchange())?.id);
  expect(picked).toEqual(["t2", "t3", "t2", "t3"]);
  expect(selector.pick(Object.freeze([targets[0]]), fakeExchange())?.id).toBe("t1");
});

test("refuses a quota of a target or provider that the config does not have", async () => {
  const targets = [{ id: "a", url: "http://127.0.0.1:9", labels: { provider: "openai" } }];
  const config = (name: string) => ({
    plugins: [staticTargets({ targets }), headroom({ quotas: { [name]: { requests: 1, window: day } } })],
  });
  await expect(createProxy(config("opnai"))).rejects.toThrow(
    "quotas.opnai: there is no target with the id or the label",
  );
  for (const name of ["a", "openai"]) await (await createProxy(config(name))).close();
});
