import type { DiscoverySink, Pool, Reporter, Setup } from "../../core/index.ts";
import { endOrphansOf } from "./_backend-run.ts";
import { followBackends } from "./_backend-targets.ts";
import type { Orphan } from "./_child-record.ts";
import { createAccess } from "./_inference-access.ts";
import { createEngines, type Engines, type View } from "./_inference-engines.ts";
import { answering, type Page, readJson, refusal, type Run as Handle } from "./_inference-http.ts";
import { parseUp } from "./_inference-request.ts";
import { namePrefix } from "./_inference-instances.ts";
import { toHealth, toReadiness, toState, toStatus } from "./_inference-status.ts";
import type { InferenceSettings } from "./inference-control.ts";

const source = "inference-control";

/** Serves the API of a generation; what it starts is of all generations. */
export function serveInference(proxy: Setup, settings: InferenceSettings): void {
  const { log, random } = proxy;
  const create = (): Engines => createEngines({ log, random, now: () => performance.now() });
  // Where nothing may be started nobody holds them, and they refuse.
  const engines = proxy.mode === "serve" ? proxy.keep("engines", create) : create();
  if (proxy.mode === "serve") hold(proxy, engines, settings);
  showTargets(proxy, engines, settings.pool);
  addRoutes(proxy, engines, settings);
}

function hold(proxy: Setup, engines: Engines, settings: InferenceSettings): void {
  let held = false;
  proxy.onReady(() => {
    held = true;
    engines.retain(() => endOrphansOf((orphan) => isOurs(orphan, settings), settings.stop, proxy.log));
    if (settings.clients === "any" && settings.token === undefined)
      proxy.log.warn("anyone who reaches this proxy can start programs on it; give the inference control a token");
  });
  proxy.onClose(() => (held ? engines.release() : undefined));
  // A drain waits for the requests under way, and an `up` may take longer than anyone wants to wait.
  proxy.every(1_000, () => {
    if (proxy.status().draining) engines.giveUp();
  });
}

/** What was wanted is forgotten with the process that kept it, so that nobody else ends them. */
function isOurs({ name, port }: Orphan, { port: base, maxInstances }: InferenceSettings): boolean {
  if (!name.startsWith(namePrefix)) return false;
  return base === 0 ? port === 0 : port > base && port <= base + maxInstances;
}

function showTargets(proxy: Setup, engines: Engines, name: string): void {
  const pool = proxy.pool(name);
  const reporter = proxy.reporter(source);
  proxy.provide("discovery", name === "default" ? source : `${source} ${name}`, {
    pool: name,
    start(sink, signal) {
      if (signal.aborted) return;
      const view = createView(pool, sink, reporter);
      const forget = engines.follow(view);
      signal.addEventListener(
        "abort",
        () => {
          forget();
          view.hide();
        },
        { once: true },
      );
    },
  });
}

function createView(pool: Pool, sink: DiscoverySink, reporter: Reporter): View {
  let following = new AbortController();
  let names: ReadonlySet<string> = new Set();
  return {
    show(backends) {
      following.abort();
      following = new AbortController();
      names = new Set(backends.map(({ options }) => options.name));
      followBackends(backends, sink, reporter, following.signal);
    },
    hide() {
      following.abort();
      const lives = pool.snapshot.all.filter(({ id }) => names.has(id)).map(({ live }) => live);
      sink.replace([]);
      return () => lives.reduce((sum, { inflight }) => sum + inflight, 0);
    },
  };
}

function addRoutes(proxy: Setup, engines: Engines, settings: InferenceSettings): void {
  const { prefix, drain } = settings;
  const admit = createAccess(settings);
  const failed = (error: unknown): void => proxy.log.error("the inference control failed:", error);
  const add = (method: "GET" | "POST", path: string, handle: Handle): void =>
    proxy.route(method, path, answering(handle, failed));
  const guarded = (method: "GET" | "POST", path: string, handle: Handle): void =>
    add(method, `${prefix}${path}`, (req, res) => {
      admit(req);
      return handle(req, res);
    });

  const begin: (...call: Parameters<Handle>) => Promise<{ readonly ready: Promise<void> }> = async (req, res) => {
    const request = parseUp(await readJson(req, res));
    if (proxy.status().draining) throw refusal("closing", "The proxy is about to stop.");
    return { ready: engines.up(request, settings) };
  };
  const down = async (): Promise<Page> => {
    await engines.down(drain);
    return ok;
  };

  guarded("POST", "/inference/up", async (req, res) => {
    const { ready } = await begin(req, res);
    await ready;
    return ok;
  });
  guarded("POST", "/inference/up/async", async (req, res) => {
    await begin(req, res);
    return { body: { status: "starting", message: "Inference startup initiated in background" } };
  });
  guarded("GET", "/inference/up/status", () => ({ body: toStatus(engines) }));
  guarded("POST", "/inference/down", down);
  guarded("POST", "/stop", down);
  guarded("GET", "/state", () => ({ body: { state: toState(engines) } }));
  if (!settings.health) return;
  for (const path of ["/health", "/livez"]) add("GET", path, () => toHealth(engines));
  add("GET", "/readyz", () => toReadiness(engines));
}

const ok: Page = { body: { status: "OK" } };
