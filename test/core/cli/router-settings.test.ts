import { expect, test } from "vitest";
import { toSettings } from "../../../core/cli/router.ts";

test("without flags and variables all is left to the preset", () => {
  expect(toSettings({}, { PROXY_TIMEOUT_SECONDS: "", CACHE_TYPE_ROUTING_THRESHOLD: "" })).toEqual({});
});

test("seconds become milliseconds, and the rest stays as it is", () => {
  const flags = {
    "router-port": "8000",
    bind: "127.0.0.1",
    "registry-url": ["http://127.0.0.1:18000", "http://127.0.0.1:18001"],
    "static-services": "services.json",
    "health-interval": "15",
    "health-timeout": "0.5",
    "max-errors": "5",
    "registry-sync-interval": "1",
    "service-removal-grace-period": "0",
    allow: ["10.0.0.0/8", "loopback"],
  };
  const env = { PROXY_TIMEOUT_SECONDS: "1800", CACHE_TYPE_ROUTING_THRESHOLD: "65536" };
  expect(toSettings(flags, env)).toEqual({
    registryUrl: ["http://127.0.0.1:18000", "http://127.0.0.1:18001"],
    staticServices: "services.json",
    healthInterval: 15_000,
    healthTimeout: 500,
    maxErrors: 5,
    registrySyncInterval: 1_000,
    removalGracePeriod: 0,
    allow: ["10.0.0.0/8", "loopback"],
    proxyTimeout: 1_800_000,
    cacheTypeThreshold: 65_536,
  });
});

test.each([
  ["health-interval", "0", "--health-interval 0 is no number of seconds"],
  ["health-timeout", "5s", "--health-timeout 5s is no number of seconds"],
  ["max-errors", "0", "--max-errors 0 is too few"],
  ["max-errors", "1.5", "--max-errors 1.5 is no whole number"],
  ["registry-sync-interval", "99999999", "--registry-sync-interval 99999999 is no number of seconds"],
  ["service-removal-grace-period", "never", "--service-removal-grace-period never is no number of seconds"],
])("--%s %s is refused by both", (flag, value, message) => {
  expect(() => toSettings({ [flag]: value }, {})).toThrow(
    expect.objectContaining({ exitCode: 2, message, fix: expect.any(String) }),
  );
});

test("--registry-url without a scheme is refused with what it should be", () => {
  const refused = (): unknown => toSettings({ "registry-url": ["http://127.0.0.1:18000", "localhost:18000"] }, {});
  const message = "--registry-url localhost:18000 is no URL of a registry";
  const fix = "did you mean --registry-url http://localhost:18000?";
  expect(refused).toThrow(expect.objectContaining({ exitCode: 2, message, fix }));
});

test("--allow that is no range is refused by its value", () => {
  const refused = (): unknown => toSettings({ allow: ["private", "here"] }, {});
  expect(refused).toThrow(expect.objectContaining({ exitCode: 2, message: "--allow here is no address range" }));
});

test.each([
  ["PROXY_TIMEOUT_SECONDS", "half an hour", "PROXY_TIMEOUT_SECONDS half an hour is no number of seconds"],
  ["CACHE_TYPE_ROUTING_THRESHOLD", "50k", "CACHE_TYPE_ROUTING_THRESHOLD 50k is no whole number"],
])("%s=%s is refused by both", (name, value, message) => {
  expect(() => toSettings({}, { [name]: value })).toThrow(expect.objectContaining({ exitCode: 2, message }));
});

test.each(["admin:canary@registry", "http://admin:canary@registry:18000"])("%s is refused unseen", (url) => {
  const refused = (): unknown => toSettings({ "registry-url": [url] }, {});
  expect(refused).toThrow(expect.objectContaining({ message: "--registry-url has credentials in it" }));
});
