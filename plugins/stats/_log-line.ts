import type { Exchange, Outcome } from "../../core/index.ts";

/** Tokens of one exchange, as a relay noted them. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
}

export interface LogEntry {
  /** `Date.now()` at the end of the exchange. */
  readonly time: number;
  readonly x: Exchange;
  readonly outcome: Outcome;
  readonly usage: Usage | undefined;
  /** Name of the client, where a guard knows it. */
  readonly client?: string | undefined;
  /** In place of the exchange's own. */
  readonly id?: string | undefined;
}

export type LineFormat = (entry: LogEntry) => string;

const widest = 256;
const longest = 4_096;
/** Nine texts of this many characters fit into a line even if each character becomes a six-byte escape. */
const narrow = 48;

export const toJsonLine: LineFormat = (entry) => fit((width) => json(entry, width));
export const toPrettyLine: LineFormat = (entry) => fit((width) => pretty(entry, width));

function fit(line: (width: number) => string): string {
  const whole = line(widest);
  // No character takes more than three bytes of UTF-8 for each of its code units.
  return whole.length * 3 < longest || Buffer.byteLength(whole) < longest ? whole : line(narrow);
}

function json({ time, x, outcome, usage, client, id = x.id }: LogEntry, width: number): string {
  const text = (value: string | undefined): string => (value === undefined ? "null" : quote(value, width));
  const tokens =
    usage === undefined
      ? "null"
      : `{"prompt":${usage.promptTokens},"completion":${usage.completionTokens},"total":${usage.totalTokens}}`;
  return (
    `{"time":"${new Date(time).toISOString()}","id":${text(id)},"method":${text(x.method)},"path":${text(x.path)}` +
    `,"status":${toStatus(outcome)},"kind":"${outcome.kind}","flag":"${toFlag(outcome)}"` +
    `,"model":${text(x.model)},"route":${text(x.route?.name)},"target":${text(x.target?.id)},"attempts":${x.attempt}` +
    `,"ttfb":${round(outcome.ttfb)},"duration":${round(outcome.duration)}` +
    `,"bytesIn":${outcome.bytesIn},"bytesOut":${outcome.bytesOut},"tokens":${tokens}` +
    `,"ip":${text(x.ip)}${client === undefined ? "" : `,"client":${text(client)}`}` +
    `,"userAgent":${text(x.headers["user-agent"])}}`
  );
}

function pretty({ time, x, outcome, usage, client, id = x.id }: LogEntry, width: number): string {
  const text = (value: string | undefined): string => (value === undefined ? "-" : quote(value, width).slice(1, -1));
  const flag = toFlag(outcome);
  const parts = [
    new Date(time).toISOString().slice(11, 23),
    toStatus(outcome),
    text(x.method),
    text(x.path),
    flag === "-" ? outcome.kind : `${outcome.kind}/${flag}`,
    `model=${text(x.model)}`,
    `route=${text(x.route?.name)}`,
    `target=${text(x.target?.id)}`,
    ...(x.attempt > 1 ? [`attempts=${x.attempt}`] : []),
    `${round(outcome.ttfb)}/${round(outcome.duration)}ms`,
    `${outcome.bytesIn}/${outcome.bytesOut}B`,
    ...(usage === undefined ? [] : [`tokens=${usage.promptTokens}+${usage.completionTokens}`]),
    ...(client === undefined ? [] : [`client=${text(client)}`]),
    text(x.ip),
    `"${text(x.headers["user-agent"])}"`,
    text(id),
  ];
  return parts.join(" ");
}

/** 0: the client left before it was answered and no error says so. */
function toStatus({ status, error }: Outcome): number {
  return status === 0 ? (error?.status ?? 0) : status;
}

/** https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage */
function toFlag({ kind, error }: Outcome): string {
  return error?.flag ?? (kind === "client-abort" ? "DC" : "-");
}

/** Tenths of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

const harmless = /^[ !#-[\]-~]*$/;
/** What JSON leaves as it is and a terminal or a line reader acts upon: C1 controls, line ends, turns of direction. */
const unprintable = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A JSON string that is one piece of one line wherever it is shown. */
function quote(value: string, width: number): string {
  const cut = value.length > width ? `${value.slice(0, width - 1)}…` : value;
  if (harmless.test(cut)) return `"${cut}"`;
  return JSON.stringify(cut).replace(unprintable, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
