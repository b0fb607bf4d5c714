import type { Proxy, ProxyConfig } from "../contract/proxy.ts";
import { createProxy } from "../proxy.ts";
import { parsePort } from "./args.ts";
import { listTargets, showReadiness } from "./banner.ts";
import { type ConfigSource, configPath, readConfig, shorten, toFailure } from "./config-source.ts";
import { Failure, usageError } from "./failure.ts";
import { logAsJson } from "./json-log.ts";
import { type Address, listen } from "./listen.ts";
import { newerNodeThan } from "./node-floor.ts";
import { createOutput, done, note, type Output } from "./output.ts";
import { quickConfig } from "./quick-config.ts";
import { createReloader, type Reloader } from "./reloader.ts";
import { handleSignals } from "./signals.ts";
import { version } from "./version.ts";

export interface ServeOptions {
  readonly config?: string;
  readonly port?: string;
  readonly host?: string;
  readonly https: boolean;
  readonly watch: boolean;
  readonly json: boolean;
  readonly targets: readonly string[];
  readonly select?: string;
}

/** Load balancers need the time to see that this proxy is about to go. */
const limits = { drainDelay: 2_000, drainIdle: 3_000 };

/** Starts to serve, and goes on until a signal ends the process. */
export async function serve(options: ServeOptions): Promise<void> {
  refuseContradictions(options);
  const { https, watch, json } = options;
  await serveSource({ https, watch, json, readSource: () => readSource(options), address: addressChooser(options) });
}

export interface SourceOptions extends Pick<ServeOptions, "https" | "watch" | "json"> {
  readSource(): Promise<ConfigSource>;
  /** Where a config is served. */
  address(config: ProxyConfig): { port: number; host: string };
  /** What stands in the place of the config file, and more fields for the event. @default nothing */
  readonly shown?: { readonly config: string; readonly fields: object; readonly targets?: false };
  /** Without a config file, SIGHUP sets the same config up anew, as its plugins may read files. @default false */
  readonly again?: boolean;
}

/** Serves what is read, and goes on until a signal ends the process. */
export async function serveSource(options: SourceOptions): Promise<void> {
  const { https, address: chooseAddress } = options;
  const output = createOutput(options.json);
  if (options.json) logAsJson();
  warnOfOldNode(output);
  const started = handleSignals(output);
  const source = await options.readSource();
  const { config } = source;
  const reload = (): Promise<{ readonly generation: number }> =>
    reloader === undefined ? proxy.reload() : reloader.now("a plugin asked for it");
  const proxy = await createProxy(config, { limits, reload }).catch((error: unknown) => {
    throw toFailure(error, source);
  });
  const reloader = reloaderOf(options, source, proxy, output);
  started({
    active: () => proxy.status().active,
    reload: () => (reloader === undefined ? tellNoReload(output) : reloader.reload("SIGHUP")),
    close(deadline) {
      reloader?.close();
      return proxy.close({ deadline });
    },
  });
  const address = await listen(proxy, { ...chooseAddress(config), https }).catch(async (error: unknown) => {
    await proxy.close({ deadline: 0 });
    throw error;
  });
  if (options.watch) reloader?.watch();
  tellReady(options, source, proxy, { output, address });
}

function warnOfOldNode(output: Output): void {
  const newer = newerNodeThan(process.version);
  if (newer === undefined) return;
  const what = `Node ${process.version} has faults by which a request can stop a server (CVE-2026-21710 and others)`;
  output.warn("old-node", new Failure(1, what, { fix: `install Node ${newer} or newer` }));
}

function reloaderOf(
  { address, again = false }: SourceOptions,
  source: ConfigSource,
  proxy: Proxy,
  output: Output,
): Reloader | undefined {
  const { file } = source;
  const addressOf = (next: ProxyConfig): string => showAddress(address(next), next.tls);
  if (file !== undefined) return createReloader({ proxy, file, source, output, addressOf });
  if (!again) return undefined;
  const now = (): ReturnType<Reloader["now"]> => proxy.reload(source.config);
  return { reload: (reason) => void setUpAgain(proxy, source, output, reason), now, watch() {}, close() {} };
}

async function setUpAgain(proxy: Proxy, source: ConfigSource, output: Output, reason: string): Promise<void> {
  try {
    const { generation } = await proxy.reload(source.config);
    output.tell("reloaded", done(`reloaded: ${reason}`), { generation, reason });
  } catch (error) {
    const { message, fix, problems } = toFailure(error, source);
    output.warn("reload-failed", new Failure(2, `not reloaded, what runs stays: ${message}`, { fix, problems }));
  }
}

function tellReady(
  { watch, shown }: SourceOptions,
  { file }: ConfigSource,
  proxy: Proxy,
  { output, address }: { readonly output: Output; readonly address: Address },
): void {
  const { plugins } = proxy.status();
  const ready = {
    ...address,
    version,
    plugins,
    targets: shown?.targets === false ? undefined : listTargets(proxy.pools()),
    ms: Math.round(performance.now()),
  };
  const watched = watch ? " (watched)" : "";
  const config = file === undefined ? shown?.config : `${shorten(file)}${watched}`;
  output.tell("ready", showReadiness({ ...ready, config }), {
    ...ready,
    ...shown?.fields,
    config: file,
    pid: process.pid,
  });
}

function refuseContradictions({ config, watch, targets, select }: ServeOptions): void {
  if (select !== undefined && targets.length === 0)
    throw usageError("--select is for --target", "choose the selector in the config");
  if (targets.length === 0) return;
  if (config !== undefined)
    throw usageError("--target goes without a config", "drop --config, or name the targets in it");
  if (watch) throw usageError("--watch is for a config, and --target goes without one", "drop --watch");
}

/** Flags before the environment, the environment before the config. */
function addressChooser({ port, host }: ServeOptions): (config: ProxyConfig) => { port: number; host: string } {
  const { PORT } = process.env;
  const inherited = PORT === undefined || PORT === "" ? undefined : parsePort(PORT, "PORT");
  const asked = port === undefined ? inherited : parsePort(port, "--port");
  return (config) => ({ port: asked ?? config.port ?? 8000, host: host ?? config.host ?? "127.0.0.1" });
}

async function readSource({ config, targets, select, watch }: ServeOptions): Promise<ConfigSource> {
  if (targets.length > 0) return { config: await quickConfig(targets, select), file: undefined, files: [] };
  return readConfig(configPath(config), "serve", { watch }).catch((error: unknown) => {
    throw toFailure(error);
  });
}

function showAddress({ port, host }: { port: number; host: string }, tls: ProxyConfig["tls"]): string {
  return `${tls === undefined ? "" : "https://"}${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function tellNoReload(output: Output): void {
  output.tell("reload-ignored", note("SIGHUP: nothing to reload, there is no config file"));
}
