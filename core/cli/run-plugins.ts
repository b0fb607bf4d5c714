import { colors } from "consola/utils";
import { extension } from "../config/own-modules.ts";
import type { Limits, Proxy } from "../contract/proxy.ts";
import type { Plugin } from "../plugin.ts";
import { createProxy } from "../proxy.ts";
import { toFailure } from "./config-source.ts";
import { logAsJson } from "./json-log.ts";
import { type Address, listen } from "./listen.ts";
import { createOutput, note } from "./output.ts";
import { handleSignals } from "./signals.ts";
import { version } from "./version.ts";

export interface RunOptions {
  readonly json: boolean;
  /** Makes the plugins, once signals are handled. */
  plugins(): Promise<readonly Plugin[]>;
  readonly limits?: Limits;
  /** @default it listens on nothing */
  readonly address?: { readonly port: number; readonly host: string };
  /** What is told when all runs. */
  ready(proxy: Proxy, address: Address | undefined): Readiness | Promise<Readiness>;
  /** What ends before the plugins do. */
  leave?(): Promise<void>;
}

export interface Readiness {
  readonly title: string;
  readonly urls: readonly string[];
  readonly rows: readonly (readonly [label: string, text: string])[];
  /** Of the event. */
  readonly fields: object;
}

/** Runs plugins that are a program of their own, and goes on until a signal ends the process. */
export async function runPlugins(options: RunOptions): Promise<void> {
  const output = createOutput(options.json);
  if (options.json) logAsJson();
  const started = handleSignals(output);
  const config = { plugins: await options.plugins(), limits: { drainDelay: 0, drainIdle: 0, ...options.limits } };
  const proxy = await createProxy(config).catch((error: unknown) => {
    throw toFailure(error);
  });
  started({
    active: () => proxy.status().active,
    reload: () => output.tell("reload-ignored", note("SIGHUP: nothing to reload, there is no config file")),
    async close(deadline) {
      await options.leave?.();
      await proxy.close({ deadline });
    },
  });
  const address = await (options.address && listen(proxy, { ...options.address, https: false }))?.catch(
    async (error: unknown) => {
      await proxy.close({ deadline: 0 });
      throw error;
    },
  );
  const { fields, ...readiness } = await options.ready(proxy, address);
  const ms = Math.round(performance.now());
  output.tell("ready", showReadiness(readiness, ms), { ...address, version, ms, ...fields, pid: process.pid });
}

function showReadiness({ title, urls: [first, ...others], rows }: Omit<Readiness, "fields">, ms: number): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return [
    "",
    `  ${colors.bold(colors.green("plugboard"))} ${colors.green(version)}  ${colors.dim(`${title}, ready in ${ms} ms`)}`,
    "",
    ...(first === undefined ? [] : [`  ${colors.green("➜")}  ${colors.bold(colors.cyan(first))}`]),
    ...others.map((url) => `     ${colors.cyan(url)}`),
    ...(first === undefined ? [] : [""]),
    ...rows.map(([label, text]) => `  ${colors.dim(label.padEnd(width))}  ${text}`),
    "",
  ].join("\n");
}

/** A plugin out of its file. Core depends on none of them, so they are looked up when the program runs. */
export async function importFactory(path: string, name: string): Promise<(options?: object) => Plugin> {
  const factory = (await importOwn(path))[name];
  if (typeof factory === "function") return factory as (options?: object) => Plugin;
  throw new Error(`${path} has no factory ${name}`);
}

/** What a file of this package exports. */
export async function importOwn(path: string): Promise<Readonly<Record<string, unknown>>> {
  return import(new URL(`../../${path}${extension}`, import.meta.url).href) as Promise<Record<string, unknown>>;
}
