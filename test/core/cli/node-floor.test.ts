import { expect, test } from "vitest";
import { newerNodeThan } from "../../../core/cli/node-floor.ts";

test.each([
  ["v20.19.0", "20.20.2"],
  ["v20.20.1", "20.20.2"],
  ["v20.20.2", undefined],
  ["v20.21.0", undefined],
  ["v22.1.0", undefined],
  ["v24.0.0", undefined],
])("Node %s: %s", (version, newer) => {
  expect(newerNodeThan(version)).toBe(newer);
});
