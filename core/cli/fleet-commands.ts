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
  repeatable: ["allow"],
  async run({ json = false, ...flags }, { all }) {
    const { router: run } = await import("./router.ts");
    await run({ ...flags, allow: all("allow"), json });
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
