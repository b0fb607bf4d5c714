import type { Storage } from "unstorage";
import * as v from "valibot";
import { definePlugin, type Plugin, type Setup } from "../../core/index.ts";
import { createAccess } from "./_access.ts";
import { watchBinding } from "./_binding.ts";
import { createDrainStore } from "./_drain-storage.ts";
import { createDrains } from "./_drains.ts";
import { addRoutes } from "./_routes.ts";

export interface AdminOptions {
  /** Comes before each of its paths. @default "/admin" */
  path?: string;
  /**
   * What everyone needs, as `Authorization: Bearer TOKEN`: 16 printable characters or more, best from the environment.
   * @default none: only clients on this machine
   */
  token?: string;
  /** Where drains outlive the process: made by `createStorage` of unstorage, yours to dispose of. @default nowhere */
  storage?: Storage;
}

interface Settings {
  readonly path: string;
  readonly token?: string | undefined;
  readonly storage?: Storage | undefined;
}

const schema: v.GenericSchema<AdminOptions, Settings> = v.strictObject({
  path: v.optional(v.pipe(v.string(), v.regex(/^(\/[^/\s?#:*%]+)+$/, "Expected a path such as /admin")), "/admin"),
  token: v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/, "Expected letters, digits and signs without spaces"))),
  storage: v.optional(
    v.custom<Storage>(
      (value) => typeof value === "object" && value !== null && "getItem" in value && "setItem" in value,
      "Expected a storage of unstorage, such as createStorage({ driver })",
    ),
  ),
} satisfies Record<keyof AdminOptions, unknown>);

/**
 * Lets operators look at the proxy, drain targets, clear cool-downs and reload.
 *
 * `GET /admin/status`: listeners, pools, each target with its counters and with who says that it is down, since when
 * and until when; `GET /admin/config`: what runs, without secrets. `POST /admin/drain` and `/admin/undrain` take
 * `{"target": "gpu-1", "reason": "new driver"}`, or the id stands in the path: `POST /admin/targets/gpu-1/drain`. A
 * drained target gets no new request, what it has under way ends, and the answer says how much that is; it stays
 * drained over reloads, when it leaves and comes back, and with `storage` over restarts. `POST /admin/cooldowns/clear`
 * ends what `coolDown` and `outlierEjection` hold against one target or all; `POST /admin/reload` takes the config
 * anew: 422 with its problems, or 409. `plugboard status`, `drain` and `undrain` ask all this from a terminal.
 *
 * Without a token it answers this machine only, by a loopback name and no page of another site, and refuses a config
 * that serves it elsewhere. Behind `keys`, name its paths there in `open`: both want the same header. Best on a port
 * of its own, `listeners: { ops: { port: 9000, control: ["admin"] } }`: clients do not reach it, and their requests are
 * not looked up among its paths. Not for what the config can say: a target that never comes back is taken out of it.
 *
 * @example
 * admin({ token: env("PLUGBOARD_ADMIN_TOKEN") });
 */
export const admin: (options?: AdminOptions) => Plugin = definePlugin({
  name: "admin",
  options: schema,
  setup(proxy, { path, token, storage }) {
    if (token === undefined) watchBinding(proxy);
    else checkToken(proxy, token);
    const store = storage !== undefined && proxy.mode === "serve" ? createDrainStore(storage) : undefined;
    const drains = createDrains(proxy, store);
    addRoutes(proxy, { path, admit: createAccess(proxy, token), drains, stores: store !== undefined });
    return { candidates: (_, targets) => drains.narrow(targets) };
  },
});

const shortestToken = 16;

function checkToken(proxy: Setup, token: string): void {
  // Where there are no secrets its variable stands for it: see env().
  if (token.length >= shortestToken || (proxy.mode !== "serve" && /^<[\w-]+>$/.test(token))) return;
  const fix = "make one with: openssl rand -hex 32";
  proxy.problem({ path: "token", message: `a token is ${shortestToken} characters or more`, fix });
}
