import type { ArgDef } from "citty";
import { type Command, command } from "./command.ts";

const seconds = (description: string): ArgDef => ({ type: "string", valueHint: "seconds", description });

export const router: Command = command({
  name: "router",
  description: "Take the place of InfiniLM's router, with its flags",
  args: {
    "router-port": { type: "string", valueHint: "number", description: "Port, 8080 by default" },
    bind: { type: "string", valueHint: "host", description: "Address to listen on, 0.0.0.0 (all) by default" },
    "registry-url": {
      type: "string",
      valueHint: "url",
      description: "Registry to take services from; none by default",
    },
    "static-services": {
      type: "string",
      valueHint: "file",
      description: "JSON file of services beside the registry's",
    },
    "health-interval": seconds("Between two probes of a service, 30 by default"),
    "health-timeout": seconds("For a probe, 5 by default"),
    "max-errors": {
      type: "string",
      valueHint: "count",
      description: "Failures in a row that take a service out, 3 by default",
    },
    "registry-sync-interval": seconds("Between two looks at the registry, 10 by default"),
    "service-removal-grace-period": seconds("That a service is kept which the registry forgot, 60 by default"),
    allow: {
      type: "string",
      valueHint: "range",
      description: "Where services of the registry may be: loopback, private, any or a CIDR range; may be repeated",
    },
    json: { type: "boolean", description: "One JSON object per line on what happens" },
  },
  repeatable: ["allow", "registry-url"],
  async run({ json = false, ...flags }, { all }) {
    const { router: run } = await import("./router.ts");
    await run({ ...flags, allow: all("allow"), "registry-url": all("registry-url"), json });
  },
});

export const registry: Command = command({
  name: "registry",
  description: "Serve a registry of services, with the flags of InfiniLM's",
  args: {
    port: { type: "string", valueHint: "number", description: "Port, 8081 by default" },
    bind: { type: "string", valueHint: "host", description: "Address to listen on, 0.0.0.0 (all) by default" },
    "health-interval": seconds("Between two checks of a service, 30 by default; 0 for none"),
    "health-timeout": seconds("For a check, 5 by default"),
    "cleanup-interval": seconds("Between two sweeps, 60 by default; leases lapse on time, whatever it is"),
    storage: {
      type: "string",
      valueHint: "place",
      description: "Where its state is: memory (default), file:DIRECTORY, or redis://HOST:PORT for several registries",
    },
    token: {
      type: "string",
      valueHint: "text",
      description: "What writers need; better in $PLUGBOARD_REGISTRY_TOKEN, as flags are seen by all users",
    },
    writers: {
      type: "string",
      valueHint: "range",
      description: "Who may write besides this machine: private, any or a CIDR range; may be repeated",
    },
    allow: {
      type: "string",
      valueHint: "range",
      description: "Where services may be, loopback and private by default; may be repeated",
    },
    json: { type: "boolean", description: "One JSON object per line on what happens" },
  },
  repeatable: ["writers", "allow"],
  async run({ json = false, ...flags }, { all }) {
    const { registry: run } = await import("./registry.ts");
    await run({ ...flags, writers: all("writers"), allow: all("allow"), json });
  },
});

export const mock: Command = command({
  name: "mock",
  description: "Run an OpenAI-compatible mock backend",
  args: {
    port: { type: "string", valueHint: "number", description: "Port, any free one by default" },
    host: { type: "string", valueHint: "host", description: "Address to listen on, 127.0.0.1 by default" },
    models: { type: "string", valueHint: "names", description: "Models it serves, as in a,b; mock-model by default" },
    name: { type: "string", valueHint: "name", description: "Which its answers say they come from, mock by default" },
    latency: { type: "string", valueHint: "ms", description: "Milliseconds to the first byte of an answer" },
    "chunk-interval": { type: "string", valueHint: "ms", description: "Milliseconds between two chunks of a stream" },
    json: { type: "boolean", description: "One JSON object per line on what happens" },
  },
  async run({ json = false, ...flags }) {
    const { mock: run } = await import("./mock.ts");
    await run({ ...flags, json });
  },
});

export const babysit: Command = command({
  name: "babysit",
  description: "Keep a backend running, with the flags of InfiniLM's babysitter, or: babysit [options] -- CMD ARGS",
  args: {
    "config-file": { type: "string", valueHint: "file", description: "TOML file of the original that says it all" },
    name: { type: "string", alias: "n", valueHint: "name", description: "Of the service, <type>-<port> by default" },
    host: { type: "string", valueHint: "host", description: "By which others reach it, localhost by default" },
    port: {
      type: "string",
      alias: "p",
      valueHint: "number",
      description: "Of the backend, for {port} in its arguments; the next one is the babysitter's own",
    },
    "service-type": {
      type: "string",
      valueHint: "type",
      description: "command (default), vLLM, mock, InfiniLM or InfiniLM-Rust",
    },
    path: { type: "string", valueHint: "path", description: "Model, or config of InfiniLM-Rust" },
    command: { type: "string", valueHint: "command", description: "What to run; better behind --" },
    args: { type: "string", valueHint: "text", description: "Its arguments, split at spaces but for quotes" },
    "work-dir": { type: "string", valueHint: "directory", description: "Where it runs" },
    env: { type: "string", valueHint: "NAME=value", description: "For its environment; may be repeated" },
    "registry-url": {
      type: "string",
      alias: "registry",
      valueHint: "url",
      description: "Registry to register at; may be repeated, for several that are one",
    },
    token: {
      type: "string",
      valueHint: "text",
      description: "What the registry asks of writers; better in $PLUGBOARD_REGISTRY_TOKEN",
    },
    weight: { type: "string", valueHint: "number", description: "Share of the traffic, 1 by default" },
    "max-restarts": { type: "string", valueHint: "count", description: "In a row, 10000 by default" },
    "restart-delay": seconds("Before the first restart, 5 by default; it doubles up to a minute"),
    "heartbeat-interval": seconds("Between two heartbeats, 30 by default"),
    bind: { type: "string", valueHint: "host", description: "Of the babysitter's own port, 0.0.0.0 (all) by default" },
    "router-url": { type: "string", alias: "router", valueHint: "url", description: "Taken and not used, as ever" },
    dev: { type: "string", valueHint: "name", description: "For InfiniLM's launch script, as the next six" },
    ndev: { type: "string", valueHint: "count", description: "Devices" },
    "max-batch": { type: "string", valueHint: "count", description: "Largest batch" },
    "max-tokens": { type: "string", valueHint: "count", description: "Tokens at most" },
    awq: { type: "boolean", description: "Quantised weights" },
    "request-timeout": { type: "string", valueHint: "seconds", description: "For a request" },
    "max-concurrency": { type: "string", valueHint: "count", description: "Requests at once" },
    "launch-script": { type: "string", valueHint: "file", description: "Instead of launch_server.py" },
    json: { type: "boolean", description: "One JSON object per line on what happens" },
  },
  repeatable: ["env", "registry-url"],
  dashed: ["args"],
  rest: true,
  async run({ json = false, _: _words, ...flags }, { all, rest }) {
    const { babysit: run } = await import("./babysit.ts");
    const [args] = all("args");
    await run({ ...flags, args, env: all("env"), "registry-url": all("registry-url"), json }, rest);
  },
});
