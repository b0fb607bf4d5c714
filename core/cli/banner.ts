import { colors } from "consola/utils";
import type { ListenerStatus } from "../contract/proxy.ts";
import type { Pool } from "../contract/target.ts";

export interface TargetLine {
  readonly pool: string;
  readonly id: string;
  readonly url: string;
  readonly models: readonly string[];
  readonly up: boolean;
  /** Who says that it is down, and why. */
  readonly reasons: readonly string[];
}

export interface Readiness {
  readonly version: string;
  readonly urls: readonly string[];
  /** Further ports. */
  readonly listeners: readonly ListenerStatus[];
  /** The config as it is shown; undefined when there is no file. */
  readonly config: string | undefined;
  readonly plugins: readonly string[];
  /** Undefined for what has none. */
  readonly targets: readonly TargetLine[] | undefined;
  /** Milliseconds since the process started. */
  readonly ms: number;
}

const shownTargets = 8;

/** What a person sees when the proxy is ready. */
export function showReadiness(readiness: Readiness): string {
  const { version, urls, listeners, config, plugins, targets, ms } = readiness;
  const rows: (readonly [string, readonly string[]])[] = [
    ["config", [config ?? colors.dim("none, made of --target")]],
    ["plugins", wrap(plugins)],
    ...(targets === undefined ? [] : [["targets", showTargets(targets)] as const]),
  ];
  const [first = "", ...others] = urls;
  return [
    "",
    `  ${colors.bold(colors.green("plugboard"))} ${colors.green(version)}  ${colors.dim(`ready in ${ms} ms`)}`,
    "",
    `  ${colors.green("➜")}  ${colors.bold(colors.cyan(first))}`,
    ...others.map((url) => `     ${colors.cyan(url)}`),
    ...listeners.map((listener) => `     ${showListener(listener)}`),
    "",
    ...rows.flatMap(([label, lines]) =>
      lines.map((line, index) => `  ${colors.dim((index === 0 ? label : "").padEnd(8))} ${line}`),
    ),
    "",
  ].join("\n");
}

function showListener({ name, url, host, port, state, reason }: ListenerStatus): string {
  if (url !== undefined) return `${colors.cyan(url)}  ${colors.dim(name)}`;
  const why = reason === undefined ? "" : `: ${reason}`;
  return colors.dim(`${host}:${port}  ${name}, ${state}${why}`);
}

export function listTargets(pools: readonly Pool[]): TargetLine[] {
  return pools.flatMap((pool) => {
    const available = new Set(pool.snapshot.available);
    return pool.snapshot.all.map((target) => ({
      pool: pool.name,
      id: target.id,
      url: `${target.origin}${target.basePath}`,
      models: target.models,
      up: available.has(target),
      reasons: pool.verdicts(target.id).map(({ reporter, reason }) => `${reporter}: ${reason}`),
    }));
  });
}

function showTargets(targets: readonly TargetLine[]): string[] {
  if (targets.length === 0) return [colors.yellow("none yet: requests are answered with 503")];
  const width = Math.max(...targets.map(({ url }) => url.length));
  const manyPools = new Set(targets.map(({ pool }) => pool)).size > 1;
  const lines = targets.slice(0, shownTargets).map((target) => showTarget(target, width, manyPools));
  const rest = targets.slice(shownTargets);
  const down = rest.filter(({ up }) => !up).length;
  return rest.length === 0
    ? lines
    : [...lines, colors.dim(`and ${rest.length} more${down > 0 ? `, ${down} of them down` : ""}`)];
}

function showTarget({ pool, id, url, models, up, reasons }: TargetLine, width: number, withPool: boolean): string {
  const mark = up ? colors.green("●") : colors.red("●");
  const state = up ? colors.dim(models.join(", ") || "any model") : colors.red(`down, ${reasons.join("; ")}`);
  const name = id === url ? "" : ` ${colors.dim(id)} `;
  return `${mark} ${url.padEnd(width)} ${withPool ? ` ${pool} ` : ""}${name} ${state}`;
}

/** At commas, within what fits a terminal of 80 columns. */
function wrap(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const [index, word] of words.entries()) {
    const text = index < words.length - 1 ? `${word},` : word;
    const line = lines.at(-1);
    if (line === undefined || line.length + text.length > 68) lines.push(text);
    else lines[lines.length - 1] = `${line} ${text}`;
  }
  return lines.length === 0 ? [colors.dim("none")] : lines;
}
