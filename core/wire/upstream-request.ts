import type { HeaderRecord, UpstreamRequest } from "../contract/exchange.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { PoolTarget } from "../targets/target.ts";
import { joinPath } from "./path.ts";

const via = "1.1 plugboard";
const framing = ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "expect"];

/** The request of one attempt, made anew from the client's. */
export function toUpstream(x: ActiveExchange, target: PoolTarget): AttemptRequest {
  const pairs = x.pairs.slice();
  pairs.push("via", x.via === "" ? via : `${x.via}, ${via}`);
  if (x.wantsTrailers) pairs.push("te", "trailers");
  if (x.requestId !== undefined) pairs.push("x-request-id", x.generation.trusts(x) ? x.requestId : x.id);
  if (x.forwarded !== undefined && x.generation.trusts(x)) addForwarded(x, x.forwarded, pairs);
  else pushForwarded(x, pairs);
  return new AttemptRequest(x, joinPath(target.basePath, pathToSend(x)) + x.search, pairs);
}

/** Without what its mount takes off. */
function pathToSend({ path, site }: ActiveExchange): string {
  return site.strip === 0 ? path : path.slice(site.strip) || "/";
}

/** Its headers are a list until a plugin asks for them as a record, which most attempts never see. */
export class AttemptRequest implements UpstreamRequest {
  method: string;
  path: string;
  body: Uint8Array | null | "stream";
  readonly #pairs: string[];
  #record: HeaderRecord | undefined = undefined;

  constructor(x: ActiveExchange, path: string, pairs: string[]) {
    this.method = x.method;
    this.path = path;
    this.body = x.body ?? (x.hasBody ? "stream" : null);
    this.#pairs = pairs;
  }

  get headers(): HeaderRecord {
    return (this.#record ??= toRecord(this.#pairs));
  }

  set headers(headers: HeaderRecord) {
    this.#record = headers;
  }

  /** As they are sent: name, value, name, value, or a record; `length` is that of a streamed body, -1 for none. */
  toSend(length: number): string[] | HeaderRecord {
    const sent = this.#record;
    if (sent === undefined) {
      if (length >= 0) this.#pairs.push("content-length", String(length));
      return this.#pairs;
    }
    // Framing is made from the body that is sent; a plugin that copied it from elsewhere must not have its say.
    for (const name of framing) delete sent[name];
    if (length >= 0) sent["content-length"] = String(length);
    return sent;
  }
}

function toRecord(pairs: readonly string[]): HeaderRecord {
  const headers: HeaderRecord = Object.create(null);
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] as string;
    const value = pairs[i + 1] as string;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === "string") headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}

/** What an untrusted peer says of where it got the request from is left out. */
function pushForwarded(x: ActiveExchange, pairs: string[]): void {
  const { peer, scheme } = x.connection;
  if (peer !== "") pairs.push("x-forwarded-for", peer);
  pairs.push("x-forwarded-proto", scheme);
  if (x.host !== "") pairs.push("x-forwarded-host", x.host);
}

/** What a trusted proxy says is kept, and its own address added to the list. */
function addForwarded(x: ActiveExchange, forwarded: readonly string[], pairs: string[]): void {
  const { peer, scheme } = x.connection;
  for (let i = 0; i < forwarded.length; i += 2) {
    if (forwarded[i] !== "x-forwarded-for") pairs.push(forwarded[i] as string, forwarded[i + 1] as string);
  }
  const hops = [x.forwardedFor(), peer].filter((hop) => hop !== undefined && hop !== "");
  if (hops.length > 0) pairs.push("x-forwarded-for", hops.join(", "));
  if (!forwarded.includes("x-forwarded-proto")) pairs.push("x-forwarded-proto", scheme);
  if (!forwarded.includes("x-forwarded-host") && x.host !== "") pairs.push("x-forwarded-host", x.host);
}
