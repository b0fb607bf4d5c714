import type { HeaderRecord, UpstreamRequest } from "../../core/index.ts";
import type { ProviderAuth } from "./_provider-options.ts";

/** Where clients of the usual APIs send what they have to keep secret. */
const headers = ["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"];
const parameters: ReadonlySet<string> = new Set(["key", "api_key", "api-key", "apikey", "access_token"]);

/** Puts a provider's key in the place of all credentials that the client sent. */
export function createCredentials({ type = "bearer", key }: ProviderAuth): (upstream: UpstreamRequest) => void {
  const name = type === "bearer" ? "authorization" : type;
  const value = type === "bearer" ? `Bearer ${key}` : key;
  return (upstream) => {
    const record = upstream.headers;
    for (const each of headers) delete record[each];
    removeFromProtocols(record);
    upstream.path = withoutParameters(upstream.path);
    record[name] = value;
  };
}

/** The other parameters keep their bytes and their order. */
function withoutParameters(path: string): string {
  const query = path.indexOf("?");
  if (query === -1) return path;
  const all = path.slice(query + 1).split("&");
  const kept = all.filter((parameter) => !parameters.has(nameOf(parameter)));
  if (kept.length === all.length) return path;
  return path.slice(0, query) + (kept.length === 0 ? "" : `?${kept.join("&")}`);
}

function nameOf(parameter: string): string {
  const [raw = ""] = parameter.split("=", 1);
  try {
    return decodeURIComponent(raw).toLowerCase();
  } catch {
    return raw.toLowerCase(); // Nobody can read it as one of the names.
  }
}

/** Browsers cannot set headers of a WebSocket: OpenAI takes the key as one of its subprotocols. */
function removeFromProtocols(record: HeaderRecord): void {
  const name = "sec-websocket-protocol";
  const value = record[name];
  if (value === undefined) return;
  const protocols = String(value)
    .split(",")
    .map((protocol) => protocol.trim());
  const kept = protocols.filter((protocol) => !protocol.startsWith("openai-insecure-api-key."));
  if (kept.length === protocols.length) return;
  if (kept.length === 0) delete record[name];
  else record[name] = kept.join(", ");
}
