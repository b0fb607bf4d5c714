import type { HeaderRecord, UpstreamRequest } from "../contract/exchange.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { PoolTarget } from "../targets/target.ts";
import { joinPath } from "./path.ts";

const via = "1.1 plugboard";

/** The request of one attempt, made anew from the client's. */
export function toUpstream(x: ActiveExchange, target: PoolTarget): UpstreamRequest {
  const headers: HeaderRecord = Object.create(null);
  const { pairs } = x;
  for (let i = 0; i < pairs.length; i += 2) add(headers, pairs[i] as string, pairs[i + 1] as string);
  headers["via"] = x.via === "" ? via : `${x.via}, ${via}`;
  if (x.wantsTrailers) headers["te"] = "trailers";
  if (x.requestId !== undefined) headers["x-request-id"] = x.generation.trusts(x) ? x.requestId : x.id;
  addForwarded(x, headers);
  return {
    method: x.method,
    path: joinPath(target.basePath, x.path) + x.search,
    headers,
    body: x.body ?? (x.hasBody ? "stream" : null),
  };
}

function add(headers: HeaderRecord, name: string, value: string): void {
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else if (typeof before === "string") headers[name] = [before, value];
  else before.push(value);
}

/** What the peer says of itself is overwritten, unless the peer is a proxy that is trusted: then it is added to. */
function addForwarded(x: ActiveExchange, headers: HeaderRecord): void {
  const { socket } = x.req;
  const peer = plainAddress(socket.remoteAddress);
  if (x.forwarded !== undefined && x.generation.trusts(x)) {
    for (let i = 0; i < x.forwarded.length; i += 2)
      add(headers, x.forwarded[i] as string, x.forwarded[i + 1] as string);
    const before = headers["x-forwarded-for"];
    if (peer !== "") headers["x-forwarded-for"] = before === undefined ? peer : `${String(before)}, ${peer}`;
    headers["x-forwarded-proto"] ??= scheme(socket);
    headers["x-forwarded-host"] ??= x.host;
    return;
  }
  if (peer !== "") headers["x-forwarded-for"] = peer;
  headers["x-forwarded-proto"] = scheme(socket);
  if (x.host !== "") headers["x-forwarded-host"] = x.host;
}

function scheme(socket: object): string {
  return "encrypted" in socket ? "https" : "http";
}

/** IPv4 in an IPv6 socket is written as IPv4. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
