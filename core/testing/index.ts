export * from "./discovery.ts";
export * from "./fakes.ts";
export * from "./plugin.ts";
export * from "./selector.ts";
