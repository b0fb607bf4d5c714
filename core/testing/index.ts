export { conditionOf, type ConditionSuite, testCondition } from "./condition.ts";
export { type DiscoverySuite, discoveryOf, type FakeSink, fakeSink, testDiscovery } from "./discovery.ts";
export { type ErrorShapeSuite, testErrorShape } from "./errors.ts";
export {
  fakeExchange,
  fakeOutcome,
  type FakePool,
  fakePool,
  type FakeTarget,
  fakeTarget,
  type FakeTargetFields,
  fakeTargets,
} from "./fakes.ts";
export { type GateSuite, testGate } from "./gate.ts";
export { type GrudgeSuite, testGrudge } from "./grudge.ts";
export { type GuardRefusal, type GuardRequest, type GuardSuite, testGuard } from "./guard.ts";
export { type HealthSettings, type HealthSuite, testHealth } from "./health.ts";
export { type MockSuite, testMock } from "./mock.ts";
export { type ObserverSuite, testObserver } from "./observer.ts";
export { type BadOptions, type PluginSuite, servicesOf, type Test, testPlugin } from "./plugin.ts";
export { relayOf, type RelaySuite, testRelay } from "./relay.ts";
export { type ResolverSuite, testResolver } from "./resolver.ts";
export { type SelectorLaw } from "./selector-laws.ts";
export { type Sample } from "./selector-play.ts";
export { selectorOf, type SelectorSuite, testSelector } from "./selector.ts";
export { seededRandom } from "../seeded-random.ts";
