import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { ExplainRequest } from "../contract/proxy.ts";
import { ActiveExchange } from "../exchange/exchange.ts";
import { ProxyError } from "../errors.ts";
import type { Generation } from "../generation/generation.ts";
import type { SiteTable } from "../generation/site-table.ts";

/** An exchange as the given request would make it, with a socket that goes nowhere. */
export function rehearse(generation: Generation, request: ExplainRequest): ActiveExchange {
  const body = request.body === undefined ? undefined : Buffer.from(request.body);
  const req = new IncomingMessage(new Socket());
  req.method = (request.method ?? (body === undefined ? "GET" : "POST")).toUpperCase();
  req.url = request.path ?? "/";
  req.httpVersion = "1.1";
  req.httpVersionMajor = 1;
  req.httpVersionMinor = 1;
  const headers: Record<string, string> = { host: "localhost", ...lowerCase(request.headers) };
  if (body !== undefined) {
    headers["content-length"] = String(body.length);
    headers["content-type"] ??= "application/json";
  }
  req.rawHeaders = Object.entries(headers).flat();
  Object.assign(req.headers, headers);
  const x = new ActiveExchange(generation, tableOf(generation, request).base, req, new ServerResponse(req));
  x.notes = [];
  return x;
}

/** The sites of the listener that a request comes in by. */
export function tableOf(generation: Generation, { listener = "main" }: ExplainRequest): SiteTable {
  const table = generation.sites(listener);
  if (table === undefined) throw new ProxyError("invalid_request", `The config has no listener "${listener}".`);
  return table;
}

function lowerCase(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
