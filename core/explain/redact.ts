import type { HeaderRecord } from "../contract/exchange.ts";

const secretName = /authorization|cookie|api-?key|token|secret|password/i;
const secretParameter = /([?&](?:key|api[-_]?key|access[-_]?token|token|secret|sig|signature)=)[^&]*/gi;

/** Header values that a config or a client keeps secret are not for a terminal's history or a browser. */
export function redactHeaders(headers: HeaderRecord): HeaderRecord {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, secretName.test(name) ? "***" : value]),
  );
}

/** The same for the query of a URL. */
export function redactUrl(url: string): string {
  return url.replace(secretParameter, "$1***");
}
