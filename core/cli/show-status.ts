import { stripVTControlCharacters } from "node:util";
import { colors } from "consola/utils";
import type { AdminListener, AdminPool, AdminStatus, AdminTarget, AdminVerdict } from "./admin-answers.ts";

/** The state of a running proxy, as text: its listeners, and each pool as a table of targets. */
export function showStatus(status: AdminStatus, url: string): string {
  const { generation, active, draining, uptime, listeners, pools } = status;
  const facts = [`generation ${generation}`, `up ${showSeconds(uptime)}`, `${active} under way`];
  if (draining) facts.push(colors.yellow("draining"));
  const blocks = [
    [`${colors.bold(colors.green("plugboard"))}  ${colors.cyan(url)}  ${colors.dim(facts.join(", "))}`],
    showWarnings(status),
    [colors.cyan("listeners"), ...align(listeners.map(showListener))],
    ...pools.map(showPool),
    showAbsent(status),
  ];
  return `\n${blocks
    .filter((rows) => rows.length > 0)
    .map((rows) => rows.join("\n"))
    .join("\n\n")}\n\n`;
}

/** `cool-down: status 429, for 23 s more`, or `drained: new driver, for 4 min` */
export function showVerdict({ reporter, reason, since, left }: AdminVerdict): string {
  const time = left === null ? `for ${showSeconds(ageOf(since))}` : `for ${showSeconds(left)} more`;
  return `${reporter === "admin" ? "" : `${colors.magenta(reporter)}: `}${reason}, ${colors.dim(time)}`;
}

function showWarnings({ reloadError, stale }: AdminStatus): string[] {
  const rows = stale.map(({ source, pool, error }) => `the targets of ${source} in pool ${pool} may be old: ${error}`);
  if (reloadError !== null) rows.unshift(`the last reload was refused, and the config before it runs: ${reloadError}`);
  return rows.map((row) => `${colors.yellow("!")} ${row}`);
}

function showListener({ name, url, host, port, state, reason }: AdminListener): string[] {
  const isOpen = state === "open";
  const note = [isOpen ? "" : state, reason ?? ""].filter((part) => part !== "").join(": ");
  return [`  ${mark(isOpen)} ${name}`, url ?? `${host}:${port}`, colors.dim(note)];
}

function showPool({ name, available, targets, disabled }: AdminPool): string[] {
  const head = `${colors.cyan("pool")} ${colors.bold(name)}  ${available} of ${targets.length} available`;
  const [titles = "", ...rows] = align([
    ["    target", "url", "under way", "requests", "failed", "first byte"],
    ...targets.map(showTarget),
  ]);
  return [
    head,
    ...(targets.length === 0 ? [] : [colors.dim(titles)]),
    ...rows.flatMap((row, i) => [row, ...(targets[i]?.verdicts ?? []).map((one) => `      ${showVerdict(one)}`)]),
    ...disabled.map((id) => colors.dim(`  - ${id}  switched off in the config`)),
  ];
}

function showTarget({ id, url, available, inflight, requests, failures, ttfb }: AdminTarget): string[] {
  const place = id === url ? "" : url;
  const first = ttfb === 0 ? "" : `${Math.round(ttfb)} ms`;
  return [`  ${mark(available)} ${id}`, place, String(inflight), String(requests), String(failures), first];
}

/** Those that are to stay drained when they come back. */
function showAbsent({ drained, pools }: AdminStatus): string[] {
  const known = new Set(pools.flatMap(({ targets, disabled }) => [...targets.map(({ id }) => id), ...disabled]));
  const absent = drained.filter(({ target }) => !known.has(target));
  if (absent.length === 0) return [];
  return [
    colors.cyan("drained, and not there now"),
    ...absent.map(
      ({ target, reason, since }) =>
        `  ${target}  ${reason === null ? "" : `${reason}, `}${colors.dim(`for ${showSeconds(ageOf(since))}`)}`,
    ),
  ];
}

function mark(isUp: boolean): string {
  return isUp ? colors.green("✔") : colors.red("✖");
}

/** Columns as wide as their widest cell, numbers to the right. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const room = " ".repeat((widths[i] ?? 0) - widthOf(cell));
        return i < 2 ? cell + room : room + cell;
      })
      .join("  ")
      .trimEnd(),
  );
}

function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}

function ageOf(time: string): number {
  return Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1_000));
}

/** Two units at most: `3 d 4 h`, `12 min`, `40 s`. */
function showSeconds(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}
