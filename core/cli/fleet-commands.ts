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
