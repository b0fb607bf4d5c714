import { consola } from "consola";
import { colors } from "consola/utils";
import type { Proxy } from "../contract/proxy.ts";
import type { Plugin } from "../plugin.ts";
import { createProxy } from "../proxy.ts";
import { type Babysat, type Backend, type BabysitFlags, findBackend } from "./babysit-backend.ts";
import { toFailure } from "./config-source.ts";
import { usageError } from "./failure.ts";
import { given, makePlugin, withoutSecrets } from "./flags.ts";
import { logAsJson } from "./json-log.ts";
import { createOutput, note, type Output } from "./output.ts";
import { applyRustLog } from "./rust-log.ts";
import { handleSignals } from "./signals.ts";
import { version } from "./version.ts";

export type { BabysitFlags } from "./babysit-backend.ts";

/** Runs a backend in the place of InfiniLM's babysitter, and goes on until a signal ends the process. */
export async function babysit(
  { json, ...flags }: BabysitFlags & { readonly json: boolean },
  rest: readonly string[] | undefined,
): Promise<void> {
  applyRustLog();
  const output = createOutput(json);
  if (json) logAsJson();
  const started = handleSignals(output);
  const found = await findBackend(flags, rest);
  const plugin = await makeBabysitter(found, readToken(flags.token));
  const proxy = await createProxy({ plugins: [plugin] }).catch((error: unknown) => {
    throw toFailure(error);
  });
  started({
    active: () => proxy.status().active,
    reload: () => output.tell("reload-ignored", note("SIGHUP: a babysitter has nothing to reload")),
    close: (deadline) => proxy.close({ deadline }),
  });
  for (const text of found.notes) consola.warn(text);
  for (const backend of found.backends) tellReady(output, proxy, { backend, registry: found.registry?.url });
}

function makeBabysitter({ backends, registry }: Babysat, token: string | undefined): Promise<Plugin> {
  return makePlugin("babysitter", {
    backends,
    ...(registry !== undefined && { registry: { ...registry, ...(token !== undefined && { token }) } }),
  });
}

/** @throws Failure that says where the token is from, and not what it is */
function readToken(flag: string | undefined): string | undefined {
  const token = flag ?? given(process.env.PLUGBOARD_REGISTRY_TOKEN);
  if (token === undefined || /^[\x21-\x7e]+$/u.test(token)) return token;
  const origin = flag === undefined ? "PLUGBOARD_REGISTRY_TOKEN" : "--token";
  throw usageError(`${origin} has characters that no header can carry`, "use letters, digits and signs without spaces");
}

interface Ready {
  readonly backend: Backend;
  readonly registry: readonly string[] | undefined;
}

/** The babysitter is: the backend may take its time. */
function tellReady(output: Output, proxy: Proxy, { backend, registry }: Ready): void {
  const { name, host = "localhost", type = "command", command } = backend;
  const port = portOf(proxy, backend);
  const at = (of: number): string => `http://${host.includes(":") ? `[${host}]` : host}:${of}`;
  const ms = Math.round(performance.now());
  const fields = { version, name, port, url: at(port), control: at(port + 1), registry: registry ?? null, ms };
  const rows = [
    // Not its arguments, among which secrets may be.
    ["runs", `${name}: ${command[0]} (${type})`],
    ["control", `${at(port + 1)}/health`],
    ["registry", registry?.map(withoutSecrets).join(", ") ?? colors.dim("none: nobody is told of it")],
  ] as const;
  const text = [
    "",
    `  ${colors.bold(colors.green("plugboard"))} ${colors.green(version)}  ${colors.dim(`babysitter ready in ${ms} ms`)}`,
    "",
    `  ${colors.green("➜")}  ${colors.bold(colors.cyan(at(port)))}`,
    "",
    ...rows.map(([label, value]) => `  ${colors.dim(label.padEnd(8))} ${value}`),
    "",
  ].join("\n");
  output.tell("ready", text, { ...fields, pid: process.pid });
}

/** It was chosen when the proxy started, if it was left open. */
function portOf(proxy: Proxy, { name, port = 0 }: Backend): number {
  const targets = proxy.pools().flatMap(({ snapshot }) => snapshot.all);
  const target = targets.find(({ id }) => id === name);
  return target === undefined ? port : Number(new URL(target.origin).port);
}
