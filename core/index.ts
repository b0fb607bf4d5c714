export type {
  Exchange,
  HeaderRecord,
  Outcome,
  OutcomeKind,
  Reply,
  Slot,
  UpstreamHead,
  UpstreamRequest,
} from "./contract/exchange.ts";
export type { Hook, HookMap, HookName, Hooks } from "./contract/hooks.ts";
export type {
  Certificate,
  ConfigFunction,
  ExplainRequest,
  Limits,
  ListenerConfig,
  ListenerState,
  ListenerStatus,
  MountConfig,
  PluginList,
  Proxy,
  ProxyConfig,
  TlsConfig,
} from "./contract/proxy.ts";
export type { RetryClass, RetryOptions, RetryPolicy, Route, RouteOptions, Timeouts } from "./contract/route.ts";
export type { StandardSchema } from "./contract/schema.ts";
export type {
  Awaitable,
  Catalog,
  Condition,
  Discovery,
  DiscoverySink,
  Gate,
  GateService,
  Grudge,
  KnownTarget,
  ModelEntry,
  Relay,
  RelayService,
  Score,
  Selector,
  SelectorService,
  Services,
  Transport,
  TransportCall,
  TransportSink,
} from "./contract/services.ts";
export type {
  ExtraAnswer,
  ExtraAttempt,
  ExtraAttemptOptions,
  Mode,
  OptionProblem,
  Reporter,
  Setup,
  Status,
  Task,
} from "./contract/setup.ts";
export type {
  Pool,
  Price,
  Snapshot,
  Target,
  TargetSpec,
  TargetStats,
  TargetTls,
  TieredPrice,
  TokenPrice,
  Verdict,
} from "./contract/target.ts";
export { env } from "./config/env.ts";
export { suggest } from "./config/suggest.ts";
export { watchFiles } from "./config/watch.ts";
export type { FileWatcher, WatchOptions } from "./config/watch.ts";
export { inTime } from "./in-time.ts";
export { defineProxy } from "./define-proxy.ts";
export { errorKinds, isProxyError, ProxyError, textOf } from "./errors.ts";
export type { ErrorCode, ErrorSource, ProxyErrorOptions } from "./errors.ts";
export type { CandidateExplanation, Explanation } from "./explain/explanation.ts";
export { allowedTargets } from "./exchange/allowed-targets.ts";
export { errorHeaders } from "./exchange/error-reply.ts";
export { definePlugin, defineSelector, isPlugin } from "./plugin.ts";
export type { Factory, Plugin, PluginDefinition, SelectorDefinition, SelectorTools } from "./plugin.ts";
export { addressRangeHint, addressRules, isAddressRange } from "./wire/address-rules.ts";
export type { AddressRules } from "./wire/address-rules.ts";
export {
  digest,
  isForeignPage,
  isForwarded,
  isLoopback,
  isLoopbackHost,
  namesLoopback,
  peerOf,
  strangerOf,
  tokenCheck,
} from "./wire/access.ts";
export type { Stranger } from "./wire/access.ts";
export { descriptorLimit, openDescriptors } from "./wire/descriptors.ts";
export { isJson } from "./wire/media-type.ts";
export { createProxy } from "./proxy.ts";
export { defineRouteTests } from "./route-tests/define.ts";
export type {
  RouteCheck,
  RouteDraws,
  RouteExpectation,
  RouteTest,
  RouteTestRequest,
  RouteTests,
  TargetState,
  UpstreamExpectation,
} from "./route-tests/define.ts";
export type { ProxyOptions } from "./proxy.ts";
export type { Dialer } from "./targets/dialer.ts";
export { isoTime, targetView, verdictView } from "./targets/target-view.ts";
export type { TargetView, VerdictView } from "./targets/target-view.ts";
export { addressRulesOf, dialerOf, hasRoom, placeOf, viewTarget } from "./targets/target.ts";
