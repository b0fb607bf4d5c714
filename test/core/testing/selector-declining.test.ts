import { describe, expect, test, vi } from "vitest";
import type { Plugin, Target } from "plugboard";
import { testSelector } from "plugboard/testing";
import { lowest, selector, weighted } from "./broken-selectors.ts";
import { failures } from "./failures.ts";

// Each test runs a whole suite.
vi.setConfig({ testTimeout: 30_000 });

const fails = (create: () => Plugin) => failures((run) => testSelector({ test: run, create }));

describe("a selector that may pick nothing", () => {
  const none = selector(() => ({ pick: () => undefined }));
  const some = selector(() => ({
    pick: (targets) => (lowest(targets, ({ live }) => live.inflight).live.inflight > 9 ? undefined : weighted(targets)),
  }));
  const mayDecline = (create: () => Plugin) => failures((run) => testSelector({ test: run, create, mayDecline: true }));

  test("passes where it says so, and fails where it does not", async () => {
    expect(await mayDecline(some)).toEqual([]);
    expect(await fails(some)).toContain("picks when all are busy, failing or unmeasured");
  });

  test("fails when it never picks", async () => {
    expect(await mayDecline(none)).toEqual(["picks from the list it is given, whatever its length"]);
  });

  test("fails when it picks what is not in the list", async () => {
    const old = selector(() => {
      let first: Target | undefined;
      return { pick: (targets) => (first ??= weighted(targets)) };
    });
    expect(await mayDecline(old)).toContain(
      "returns the target as it stands in the list, not as it was before a reload",
    );
  });
});
