import { expect, test } from "vitest";
import { toSettings } from "../../../core/cli/registry.ts";

test("without flags and variables all is left to the plugin", () => {
  expect(toSettings({ writers: [], allow: [] }, { PLUGBOARD_REGISTRY_TOKEN: "" })).toEqual({});
});

test("seconds become milliseconds, and ranges may be repeated or stand between commas", () => {
  const flags = {
    "health-interval": "0",
    "health-timeout": "0.5",
    "cleanup-interval": "60",
    storage: "file:./state",
    token: "0123456789abcdef",
    writers: ["private, 192.0.2.0/24", "any"],
    allow: ["loopback"],
  };
  expect(toSettings(flags, { PLUGBOARD_REGISTRY_TOKEN: "another-0123456789" })).toEqual({
    healthInterval: 0,
    healthTimeout: 500,
    cleanupInterval: 60_000,
    storage: "file:./state",
    token: "0123456789abcdef",
    writers: ["loopback", "private", "192.0.2.0/24", "any"],
    allow: ["loopback"],
  });
});

test.each([
  [{ storage: "redis:/user:canary@h" }, "--storage redis:/***@h is no storage"],
  [{ token: "canary" }, "--token is less than 16 characters without spaces"],
  [{ writers: ["private,here"] }, "--writers here is no address range"],
  [{ allow: ["10.0.0.0/33"] }, "--allow 10.0.0.0/33 is no address range"],
  [{ "health-timeout": "0" }, "--health-timeout 0 is no number of seconds"],
])("%j is refused, and no secret is repeated", (flags, message) => {
  const refused = expect.objectContaining({ exitCode: 2, message, fix: expect.any(String) });
  expect(() => toSettings(flags, {})).toThrow(refused);
});

test("the variable is named when it holds no token", () => {
  expect(() => toSettings({}, { PLUGBOARD_REGISTRY_TOKEN: "can ary" })).toThrow(
    "PLUGBOARD_REGISTRY_TOKEN is less than",
  );
});
