import type { ArgDef } from "citty";
import { type Command, command } from "./command.ts";

const address = {
  url: {
    type: "string",
    valueHint: "url",
    description:
      "Of the running proxy, with the path of its admin plugin unless that is /admin; or $PLUGBOARD_ADMIN_URL",
  },
  token: {
    type: "string",
    valueHint: "text",
    description: "What the admin plugin asks for; better in $PLUGBOARD_ADMIN_TOKEN, as flags are seen by all users",
  },
} as const satisfies Record<string, ArgDef>;

const target = {
  type: "positional",
  required: false,
  description: "Id of the target, as plugboard status lists it",
} as const satisfies ArgDef;

export const status: Command = command({
  name: "status",
  description: "Show a running proxy: its listeners, pools and targets, and why one is down",
  args: { ...address, json: { type: "boolean", description: "As one JSON object" } },
  async run({ url, token, json = false }) {
    const { status: run } = await import("./status.ts");
    await run({ url, token, json });
  },
});

export const drain: Command = command({
  name: "drain",
  description: "Give a target of a running proxy no new requests; those under way end",
  args: {
    target,
    reason: { type: "string", valueHint: "text", description: "Shown wherever it is said that the target is down" },
    wait: { type: "boolean", description: "Until nothing is under way on it" },
    ...address,
  },
  async run({ target: id, reason, wait = false, url, token }) {
    const { drain: run } = await import("./drain.ts");
    await run({ target: id, reason, wait, url, token });
  },
});

export const undrain: Command = command({
  name: "undrain",
  description: "Let a drained target take requests again",
  args: { target, ...address },
  async run({ target: id, url, token }) {
    const { undrain: run } = await import("./drain.ts");
    await run({ target: id, url, token });
  },
});
