import { expect, test } from "vitest";
import * as core from "plugboard";
import * as plugins from "plugboard/plugins";
import * as testing from "plugboard/testing";

// What is added here is promised to users; what is taken away breaks them.

test("plugboard exports these names", () => {
  expect(Object.keys(core).toSorted()).toMatchInlineSnapshot(`
    [
      "ProxyError",
      "addressRangeHint",
      "addressRules",
      "addressRulesOf",
      "createProxy",
      "definePlugin",
      "defineProxy",
      "defineRouteTests",
      "defineSelector",
      "dialerOf",
      "env",
      "errorHeaders",
      "errorKinds",
      "isAddressRange",
      "isJson",
      "isPlugin",
      "isProxyError",
      "suggest",
      "viewTarget",
      "watchFiles",
    ]
  `);
});

test("plugboard/plugins exports these names", () => {
  expect(Object.keys(plugins).toSorted()).toMatchInlineSnapshot(`
    [
      "accessLog",
      "activeHealth",
      "alias",
      "anyAvailable",
      "babysitter",
      "coolDown",
      "cors",
      "cost",
      "direct",
      "disaggregate",
      "dnsTargets",
      "explain",
      "explore",
      "fallback",
      "fileExists",
      "fileTargets",
      "hangCheck",
      "headroom",
      "inOrder",
      "inferenceControl",
      "infinilm",
      "infinilmStatus",
      "ip",
      "jsonUsage",
      "keys",
      "latency",
      "leastConnections",
      "locality",
      "mockBackend",
      "model",
      "models",
      "named",
      "openaiErrors",
      "outlierEjection",
      "performance",
      "powerOfTwoChoices",
      "prefix",
      "priority",
      "providers",
      "random",
      "registry",
      "registryTargets",
      "requestId",
      "roundRobin",
      "routingHeaders",
      "score",
      "session",
      "size",
      "split",
      "sse",
      "startMockBackend",
      "staticTargets",
      "stats",
      "sticky",
      "storageTargets",
      "throughput",
      "usage",
      "vllmErrors",
    ]
  `);
});

test("plugboard/testing exports these names", () => {
  expect(Object.keys(testing).toSorted()).toMatchInlineSnapshot(`
    [
      "conditionOf",
      "discoveryOf",
      "fakeExchange",
      "fakeOutcome",
      "fakePool",
      "fakeSink",
      "fakeTarget",
      "fakeTargets",
      "relayOf",
      "seededRandom",
      "selectorOf",
      "servicesOf",
      "testCondition",
      "testDiscovery",
      "testErrorShape",
      "testGuard",
      "testHealth",
      "testMock",
      "testObserver",
      "testPlugin",
      "testRelay",
      "testResolver",
      "testSelector",
    ]
  `);
});
