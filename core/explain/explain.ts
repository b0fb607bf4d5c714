import { withoutKeys } from "../config/show-value.ts";
import type { Reply } from "../contract/exchange.ts";
import type { ConfigFunction, ExplainRequest, ProxyConfig } from "../contract/proxy.ts";
import type { Target } from "../contract/target.ts";
import { isProxyError, ProxyError } from "../errors.ts";
import { pick } from "../exchange/attempts.ts";
import { noTargets } from "../exchange/no-targets.ts";
import { tooLarge } from "../exchange/body.ts";
import { errorReply } from "../exchange/error-reply.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import { notFound } from "../exchange/not-found.ts";
import { Generation } from "../generation/generation.ts";
import type { ControlRoute } from "../generation/setup.ts";
import { routeOf } from "../generation/routes.ts";
import { idleStatus, ProxyState } from "../proxy-state.ts";
import type { PoolTarget } from "../targets/target.ts";
import { readHead } from "../wire/request-head.ts";
import { toUpstream } from "../wire/upstream-request.ts";
import { seededRandom } from "../seeded-random.ts";
import { candidatesOf } from "./candidates.ts";
import { drawTargets } from "./draws.ts";
import type { Explanation } from "./explanation.ts";
import { redactHeaders, redactUrl } from "./redact.ts";
import { rehearse, tableOf } from "./rehearsal.ts";

export interface ExplainOptions {
  /** Sets the state of the targets once they are known. */
  readonly prepare?: (generation: Generation) => void;
}

/** Explains a request against a config that is not running: discovers, but probes and opens nothing. */
export async function explainConfig(
  config: ProxyConfig | ConfigFunction,
  request: ExplainRequest,
  { prepare }: ExplainOptions = {},
): Promise<Explanation> {
  const proxy = new ProxyState();
  try {
    return await explainIn(config, proxy, request, async (shadow) => {
      await shadow.discover();
      prepare?.(shadow);
      shadow.flush();
    });
  } finally {
    await proxy.ledger.close();
  }
}

/** Explains a request against a running config, on its targets and their health, without moving its selectors on. */
export function explainWith(
  config: ProxyConfig | ConfigFunction,
  request: ExplainRequest,
  live: Generation,
): Promise<Explanation> {
  return explainIn(config, live.proxy, request, (shadow) => copyTargets(live, shadow));
}

async function explainIn(
  config: ProxyConfig | ConfigFunction,
  proxy: ProxyState,
  request: ExplainRequest,
  fill: (shadow: Generation) => void | Promise<void>,
): Promise<Explanation> {
  const shadow = await Generation.load(config, proxy, {
    number: 0,
    mode: "check",
    status: idleStatus,
    keep: proxy.copies(),
    ...(request.seed !== undefined && { random: seededRandom(request.seed) }),
  });
  shadow.registry.silent = true;
  try {
    await fill(shadow);
    const explanation = await explain(shadow, request);
    if (request.draws === undefined) return explanation;
    const decideAgain = (x: ActiveExchange): Promise<unknown> => decide(x, [], request);
    const distribution = await drawTargets(shadow, request, request.draws, decideAgain).catch(() => ({}));
    return { ...explanation, distribution };
  } finally {
    await shadow.close();
  }
}

function copyTargets(live: Generation, shadow: Generation): void {
  for (const { name, snapshot } of live.registry.pools()) {
    const copy = shadow.registry.pool(name);
    const targets = [...snapshot.all, ...snapshot.disabled];
    copy.sink("running config").replace(targets.map((target) => ({ ...target, url: target.origin + target.basePath })));
    copy.flush();
  }
}

interface Step {
  readonly phase: string;
  readonly note: string;
}

async function explain(generation: Generation, request: ExplainRequest): Promise<Explanation> {
  const x = rehearse(generation, request);
  const steps: Step[] = [];
  const order: Target[] = [];
  let candidates: Explanation["candidates"] = [];
  let reply: Explanation["reply"];
  try {
    const answer = await decide(x, steps, request);
    // Before the selector moves on.
    if (x.route !== undefined) candidates = candidatesOf(x, routeOf(x));
    takeNotes(x, "candidates", steps);
    if (answer === undefined) await attempt(x, order);
    else if (answer !== "control") reply = { status: answer.status, code: undefined, body: toText(answer.body) };
  } catch (error) {
    reply = toReply(
      x,
      isProxyError(error) ? error : new ProxyError("internal_error", "The proxy failed.", { cause: error }),
    );
  }
  takeNotes(x, "upstreamRequest", steps);
  const route = x.route === undefined ? undefined : routeOf(x);
  return {
    hooks: x.site.phases.order,
    request: { method: x.method, path: redactUrl(x.path + x.search), model: x.model },
    steps,
    route: route && { name: route.name, pool: route.pool.name, selector: route.selectorName },
    candidates,
    attempts: order.map((target) => target.id),
    upstream: order.length === 0 ? undefined : rewritten(x, order[0] as PoolTarget, request.body),
    reply,
  };
}

/** The phases up to the route, as a request runs them. */
async function decide(
  x: ActiveExchange,
  steps: Step[],
  request: ExplainRequest,
): Promise<Reply | "control" | undefined> {
  const fault = readHead(x, x.generation.proxy.limits);
  if (fault !== undefined) throw fault;
  if (x.path === "*") return { status: 204 };
  x.site = tableOf(x.generation, request).find?.(x.host, x.path) ?? x.site;
  const { phases } = x.site;
  const control = x.site.controlRoutes.find((route) => matches(route, x));
  x.control = control !== undefined;
  const refused = await phases.request?.(x);
  takeNotes(x, "request", steps);
  if (refused !== undefined) return refused;
  if (control !== undefined) {
    steps.push({ phase: "request", note: `answered here, by plugin ${control.plugin}` });
    return "control";
  }
  if (x.site.handler !== undefined) {
    steps.push({ phase: "request", note: `answered here, by the handler of mount ${x.site.name}` });
    return "control";
  }
  takeBody(x, request.body);
  const inspected = await phases.inspect?.(x);
  takeNotes(x, "inspect", steps);
  if (inspected !== undefined) return inspected;
  const found = phases.resolve === null ? x.site.defaultRoute : await phases.resolve(x);
  takeNotes(x, "resolve", steps);
  if (found === undefined) throw notFound(x);
  if ("status" in found) return found;
  x.route = found;
  const reply = await phases.admit?.(x);
  takeNotes(x, "admit", steps);
  return reply ?? undefined;
}

/** The body as plugins would see it, within the limits that hold for it. */
function takeBody(x: ActiveExchange, body: ExplainRequest["body"]): void {
  const wanted = x.generation.bodyLimit(x);
  const limit = wanted < 0 ? x.generation.proxy.limits.body : wanted;
  if (x.contentLength > limit) throw tooLarge(limit);
  if (body !== undefined && wanted >= 0) x.body = Buffer.from(body);
}

/** h3's patterns as far as control routes use them: `:name` for one segment, `**` or `**:name` for the rest. */
function matches({ method, path }: ControlRoute, x: ActiveExchange): boolean {
  if (method !== x.method && !(method === "GET" && x.method === "HEAD")) return false;
  const pattern = path
    .split("/")
    .map((part) =>
      part.startsWith("**") ? ".+" : part.startsWith(":") ? "[^/]+" : part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"),
    )
    .join("/");
  return new RegExp(`^${pattern}/?$`).test(x.path);
}

/** The targets in the order attempts would try them, each failing; the first one's request stays on the exchange. */
async function attempt(x: ActiveExchange, order: Target[]): Promise<void> {
  const { retry } = routeOf(x);
  for (let i = 0; i < retry.attempts; i++) {
    const target = pick(x);
    if (target === undefined) break;
    order.push(target);
    x.tried = [...x.tried, target];
  }
  const [first] = order;
  if (first === undefined) throw noTargets(x);
  x.tried = [];
  x.target = first;
  x.upstream = toUpstream(x, first as PoolTarget);
  await x.site.phases.upstreamRequest?.(x);
}

function rewritten(x: ActiveExchange, target: PoolTarget, sent: ExplainRequest["body"]): Explanation["upstream"] {
  const { method, path, headers, body } = x.upstream;
  const text = body === null ? undefined : Buffer.from(body === "stream" ? (sent ?? "") : body).toString("utf8");
  return {
    method,
    url: redactUrl(target.origin + path),
    headers: redactHeaders(headers),
    body: text && withoutKeys(text),
  };
}

function toReply(x: ActiveExchange, error: ProxyError): Explanation["reply"] {
  const reply = x.site.phases.error?.(x, error) ?? errorReply(x, error);
  return { status: reply.status, code: error.code, body: toText(reply.body) };
}

function toText(body: Reply["body"]): string {
  return body === undefined ? "" : Buffer.from(body as string).toString("utf8");
}

function takeNotes(x: ActiveExchange, phase: string, steps: Step[]): void {
  // Plugins are asked for the candidates of each attempt, and say the same each time.
  const said = new Set(steps.filter((step) => step.phase === "candidates").map((step) => step.note));
  for (const note of x.notes ?? []) if (!said.has(note)) steps.push({ phase, note });
  x.notes = [];
}
