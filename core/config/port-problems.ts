import type { ListenerConfig, MountConfig, ProxyConfig } from "../contract/proxy.ts";
import { pathFault } from "../wire/path.ts";
import type { ConfigProblem } from "./config-error.ts";
import { showValue } from "./show-value.ts";

/** What is wrong with listeners and mounts that each for itself is right. */
export function portProblems(config: ProxyConfig): ConfigProblem[] {
  const listeners = Object.entries(config.listeners ?? {});
  return [
    ...mountProblems("mounts", config.mounts),
    ...listeners.flatMap(([name, listener]) => mountProblems(`listeners.${name}.mounts`, listener.mounts)),
    ...samePorts(config, listeners),
  ];
}

function mountProblems(at: string, mounts: readonly MountConfig[] = []): ConfigProblem[] {
  const places = new Map<string, string>();
  return mounts.flatMap((mount, i) => {
    const found = contradictions(`${at}.${i}`, mount);
    for (const [path, key] of spots(`${at}.${i}`, mount)) {
      const fault = path === undefined ? undefined : pathFault(path);
      if (fault !== undefined)
        found.push(problem(key, `no request can have this path: ${fault}`, path, "write it as requests have it"));
      const spot = `${list(mount.host).join(",").toLowerCase()} ${path?.replace(/\/+$/, "") ?? ""}`;
      const earlier = places.get(spot);
      if (earlier !== undefined) found.push(problem(key, `is mounted twice, first as ${earlier}`, path, "remove one"));
      else places.set(spot, key);
    }
    return found;
  });
}

function spots(at: string, { path }: MountConfig): [string | undefined, string][] {
  if (path === undefined) return [[undefined, at]];
  return typeof path === "string" ? [[path, `${at}.path`]] : path.map((one, i) => [one, `${at}.path.${i}`]);
}

function contradictions(at: string, { handler, pool, strip }: MountConfig): ConfigProblem[] {
  if (handler === undefined || (pool === undefined && strip !== true)) return [];
  const key = pool === undefined ? "strip" : "pool";
  const fix = `drop handler or ${key}`;
  return [
    problem(`${at}.${key}`, "is for requests that are sent on, and the handler answers them here", undefined, fix),
  ];
}

function samePorts(config: ProxyConfig, listeners: readonly [string, ListenerConfig][]): ConfigProblem[] {
  const taken = new Map<string, string>();
  if (config.port !== undefined && config.port > 0) taken.set(addressOf(config.host, config.port), "port");
  return listeners.flatMap(([name, { host, port }]) => {
    if (port === 0) return [];
    const earlier = taken.get(addressOf(host, port));
    taken.set(addressOf(host, port), `listeners.${name}.port`);
    if (earlier === undefined) return [];
    return [problem(`listeners.${name}.port`, `is that of ${earlier} already`, port, "give it a port of its own")];
  });
}

function addressOf(host = "127.0.0.1", port: number): string {
  return `${host} ${port}`;
}

function problem(path: string, message: string, received: unknown, fix: string): ConfigProblem {
  const shown = received === undefined ? {} : { received: showValue(received) };
  return { plugin: "", path, message, ...shown, fix, index: -1 };
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}
