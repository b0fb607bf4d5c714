import { isSecretPlace, withoutSecrets } from "../config/show-value.ts";
import type { HeaderRecord } from "../contract/exchange.ts";

const parameter = /(?<=[?&])([^=&]+)=[^&]*/g;

/** Header values that a config or a client keeps secret are not for a terminal's history or a browser. */
export function redactHeaders(headers: HeaderRecord): HeaderRecord {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (value === undefined || isSecretPlace(name)) return [name, value && "***"];
      return [name, Array.isArray(value) ? value.map(withoutSecrets) : withoutSecrets(value)];
    }),
  );
}

/** The same for the query of a URL. */
export function redactUrl(url: string): string {
  return url.replace(parameter, (whole, name: string) => (isSecretParameter(name) ? `${name}=***` : whole));
}

function isSecretParameter(name: string): boolean {
  return isSecretPlace(name) || /^sig$|signature$/i.test(name);
}
