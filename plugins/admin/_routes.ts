import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import { isoTime, ProxyError, type Setup, verdictView, type VerdictView } from "../../core/index.ts";
import type { Admit } from "./_access.ts";
import { type Drains, whyDown } from "./_drains.ts";
import { type Fields, readFields } from "./_fields.ts";
import { reload } from "./_reload.ts";
import { toStatus } from "./_status.ts";
import { findTarget, unknownTarget } from "./_targets.ts";

export interface RoutesOptions {
  readonly path: string;
  readonly admit: Admit;
  readonly drains: Drains;
  /** Whether there is a place where drains are stored. */
  readonly stores: boolean;
}

interface Answer {
  readonly status?: number;
  readonly body: object;
}

type Run = (fields: Fields, pathname: string) => Promise<Answer> | Answer;
type Method = Parameters<Setup["route"]>[0];

/** Tells its answers from those of an upstream at the same path. */
const mark = "x-plugboard-admin";
const pages =
  "GET status and config, POST drain, undrain, targets/ID/drain, targets/ID/undrain, cooldowns/clear and reload";

export function addRoutes(proxy: Setup, { path, admit, drains, stores }: RoutesOptions): void {
  const grudges = proxy.useAll("grudge");
  const operate = createOperations(proxy, drains, stores);

  function add(method: Method, at: string, run: Run): void {
    proxy.route(method, `${path}${at}`, async ({ runtime, url: { pathname } }) => {
      const { req, res } = runtime!.node as { req: IncomingMessage; res: ServerResponse };
      res.setHeader(mark, "1");
      admit(req, res);
      const fields = method === "POST" ? await readFields(req, res) : {};
      const { status = 200, body } = await run(fields, pathname);
      return Response.json(body, { status, headers: { "cache-control": "no-store", [mark]: "1" } });
    });
  }

  add("GET", "/status", () => {
    const parts = { status: proxy.status(), pools: proxy.pools(), drains: drains.all.values() };
    return { body: toStatus(parts, Date.now()) };
  });
  add("GET", "/config", () => ({ body: proxy.config() }));
  add("POST", "/drain", (fields) => operate.drain(needTarget(fields), fields));
  add("POST", "/undrain", (fields) => operate.undrain(needTarget(fields)));
  add("POST", "/cooldowns/clear", ({ target }) => {
    if (target !== undefined && findTarget(proxy.pools(), target) === undefined)
      throw unknownTarget(proxy.pools(), target);
    const forgotten = Object.fromEntries([...grudges.value].map(([name, grudge]) => [name, grudge.forget(target)]));
    proxy.log.info(`cool-downs of ${target === undefined ? "all targets" : `target ${target}`} are cleared`);
    return { body: { forgotten } };
  });
  add("POST", "/reload", () => reload(proxy));
  // All below its path is its own: a slip in a path must not carry the token to an upstream.
  for (const method of ["GET", "PUT", "PATCH", "DELETE"] as const) add(method, "/**", nothing);
  // The ids of targets may hold slashes, also two in a row, which no route of a router matches.
  add("POST", "/**", (fields, pathname) => {
    const { id, action } = parsePlace(pathname, path) ?? nothing();
    if (fields.target !== undefined && fields.target !== id)
      throw new ProxyError("invalid_request", "The path and the body name two different targets.");
    return action === "drain" ? operate.drain(id, fields) : operate.undrain(id);
  });

  function nothing(): never {
    throw new ProxyError("route_not_found", `There is nothing here; below ${path} there are ${pages}.`);
  }
}

interface Operations {
  drain(id: string, fields: Fields): Promise<Answer>;
  undrain(id: string): Promise<Answer>;
}

function createOperations(proxy: Setup, drains: Drains, stores: boolean): Operations {
  function toAnswer(id: string, stored: boolean): Answer {
    const drain = drains.all.get(id);
    const { target, pools } = findTarget(proxy.pools(), id) ?? { pools: [] };
    return {
      body: {
        target: id,
        drained: drain !== undefined,
        ...(drain !== undefined && { reason: drain.reason ?? null, since: isoTime(drain.since) }),
        ...(stores && { stored }),
        inflight: target?.live.inflight ?? 0,
        others: otherVerdicts(pools, id),
        pools: pools.map(({ name, snapshot }) => ({ name, available: snapshot.available.length })),
      },
    };
  }

  return {
    async drain(id, { reason }) {
      if (findTarget(proxy.pools(), id) === undefined) throw unknownTarget(proxy.pools(), id);
      const known = drains.all.get(id);
      const drain = { id, reason: reason ?? known?.reason, since: known?.since ?? Date.now() };
      const stored = await drains.begin(drain);
      if (known === undefined) proxy.log.info(`target ${id} is ${whyDown(drain)}`);
      await setImmediate(); // Pools publish what changed at the end of a turn.
      return toAnswer(id, stored);
    },
    async undrain(id) {
      const known = drains.all.has(id);
      if (!known && findTarget(proxy.pools(), id) === undefined) throw unknownTarget(proxy.pools(), id);
      const stored = await drains.end(id);
      if (known) proxy.log.info(`target ${id} is drained no longer`);
      await setImmediate();
      return toAnswer(id, stored);
    },
  };
}

/** Who else says that it is down. */
function otherVerdicts(pools: ReturnType<Setup["pools"]>, id: string): VerdictView[] {
  const verdicts = pools[0]?.verdicts(id) ?? [];
  return verdicts.filter(({ reporter }) => reporter !== "admin").map(verdictView);
}

function needTarget({ target }: Fields): string {
  if (target !== undefined) return target;
  throw new ProxyError("invalid_request", 'Which target? Say so in the body: {"target": "gpu-1"}.');
}

/** The last segment is what is to be done; what comes before the path of the plugin is that of a mount. */
function parsePlace(pathname: string, path: string): { id: string; action: string } | undefined {
  const start = pathname.indexOf(`${path}/targets/`);
  const rest = pathname.slice(start + `${path}/targets/`.length);
  const [, id, action] = /^(.+)\/(drain|undrain)$/.exec(rest) ?? [];
  if (start === -1 || id === undefined || action === undefined) return undefined;
  return { id: decode(id), action };
}

function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id; // Not an encoded text, so not the id of a target either.
  }
}
