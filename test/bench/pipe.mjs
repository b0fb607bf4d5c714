// The reference that goals are ratios of: what a good engineer writes without a framework when throughput is all that
// counts. A node:http server, undici.dispatch, and nothing that could be left out of an honest LLM proxy: it reads the
// model, looks up an alias, takes turns, removes hop-by-hop headers, passes back-pressure on and aborts the upstream
// when the client leaves. No hooks, no logging, no retries, no deadlines.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { alias } from "./traffic.mjs";
import { findModel } from "./pipe-model.mjs";
import { listen, targets } from "./subjects/announce.mjs";

// The copy of undici that plugboard itself uses, whatever the peers have brought along.
const { Pool } = createRequire(new URL("../../package.json", import.meta.url))("undici");

const pools = targets.map((url) => ({ pool: new Pool(url), requests: 0 }));
const routes = new Map([[alias, { pools, turn: 0 }]]);
const fallback = { pools, turn: 0 };
const statusCounts = new Map();
/** RFC 9110, 7.6.1. */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "proxy-authenticate",
  "proxy-authorization",
];
const droppedFromResponse = new Set(hopByHop);
/** The framing of the request is undici's. */
const droppedFromRequest = new Set([...hopByHop, "content-length", "expect"]);
/** By name as clients spell it; few spellings exist, and lower-casing each name of each request adds up. */
const spellings = new Map();

listen(
  createServer((request, response) => {
    let body = null;
    let rest;
    request.on("data", (chunk) => {
      if (body === null) body = chunk;
      else (rest ??= [body]).push(chunk);
    });
    request.on("end", () => forward(request, response, rest === undefined ? body : Buffer.concat(rest)));
  }),
);

function forward(request, response, body) {
  const model = body === null ? undefined : findModel(body);
  const route = routes.get(model) ?? fallback;
  const target = route.pools[route.turn++ % route.pools.length];
  target.requests++;
  target.pool.dispatch(
    { method: request.method, path: request.url, headers: forwardedHeaders(request.rawHeaders), body },
    new Relay(response),
  );
}

function forwardedHeaders(raw) {
  const forwarded = [];
  let named = "";
  for (let index = 0; index < raw.length; index += 2) {
    const name = toLowerCase(raw[index]);
    if (name === "connection") named = raw[index + 1].toLowerCase();
    if (!droppedFromRequest.has(name)) forwarded.push(name, raw[index + 1]);
  }
  return named === "" || named === "keep-alive" || named === "close" ? forwarded : withoutNamed(forwarded, named);
}

function toLowerCase(name) {
  let lower = spellings.get(name);
  if (lower === undefined) {
    lower = name.toLowerCase();
    if (spellings.size < 1000) spellings.set(name, lower);
  }
  return lower;
}

/** Headers that the Connection header lists belong to this hop too. */
function withoutNamed(headers, connection) {
  const names = new Set(connection.split(",").map((name) => name.trim()));
  return headers.filter((_, index) => !names.has(headers[index - (index % 2)]));
}

class Relay {
  #response;
  #controller = undefined;
  #status = 0;

  constructor(response) {
    this.#response = response;
    response.on("close", () => {
      if (!response.writableFinished) this.#controller?.abort(new Error("the client left"));
    });
  }

  onRequestStart(controller) {
    this.#controller = controller;
    if (this.#response.destroyed) controller.abort(new Error("the client left"));
  }

  onResponseStart(_controller, status, headers) {
    if (status < 200) return;
    this.#status = status;
    const forwarded = [];
    for (const name in headers) {
      if (droppedFromResponse.has(name)) continue;
      const value = headers[name];
      if (typeof value === "string") forwarded.push(name, value);
      else for (const one of value) forwarded.push(name, one);
    }
    this.#response.writeHead(status, forwarded);
  }

  onResponseData(controller, chunk) {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once("drain", () => controller.resume());
  }

  onResponseEnd() {
    statusCounts.set(this.#status, (statusCounts.get(this.#status) ?? 0) + 1);
    this.#response.end();
  }

  onResponseError() {
    if (this.#response.headersSent) this.#response.destroy();
    else this.#response.writeHead(502).end();
  }
}
