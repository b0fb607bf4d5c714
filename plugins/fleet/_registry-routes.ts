import { randomBytes } from "node:crypto";
import { type AddressRules, digest, peerOf } from "../../core/index.ts";
import { createPlaceCheck, seenFrom } from "./_registry-address.ts";
import type { Checker } from "./_registry-check.ts";
import { isHealthy, toEntry, toList } from "./_registry-entry.ts";
import { parseLeaseId, parsePatch, parseRegistration, parseStatus } from "./_registry-fields.ts";
import { type Answer, type Call, json, readJson, readOptionalJson, refusal, type Run, soon } from "./_registry-http.ts";
import type { RegistryState } from "./_registry-state.ts";
import type { Refusal, RegistryStore, Service } from "./_registry-store.ts";
import { toClaim, type Writers } from "./_registry-writers.ts";

export interface RoutesOptions {
  readonly state: RegistryState;
  readonly writers: Writers;
  /** Where a service may be. */
  readonly places: AddressRules;
  /** Undefined: nothing outside is touched. */
  readonly checker: Checker | undefined;
  /** Milliseconds, for those who do not say. */
  readonly lease: number;
  readonly limits: { readonly entries: number; readonly body: number; readonly watchers: number };
  readonly now: () => number;
  /** Whether the proxy drains, or this generation is over. */
  over(): boolean;
}

export interface RegistryRoutes {
  readonly list: Run;
  readonly read: Run;
  readonly register: Run;
  readonly update: Run;
  readonly remove: Run;
  readonly heartbeat: Run;
  readonly check: Run;
}

export function createRoutes(options: RoutesOptions): RegistryRoutes {
  const { state, writers, limits, now } = options;
  const refusePlace = createPlaceCheck(options.places);
  const store = (): RegistryStore => openStore(state);

  async function checkPlace(place: Parameters<typeof refusePlace>[0]): Promise<void> {
    const why = await refusePlace(place);
    if (why !== undefined) throw refusal("invalid_field", why);
  }

  async function register(call: Call): Promise<Answer> {
    writers.admit(call);
    const body = await readJson(call, limits.body);
    const fields = seenFrom(parseRegistration(body), peerOf(call.req));
    const shown = parseLeaseId(call.req.headers["x-lease-id"], body);
    await checkPlace(fields);
    const { name, lease = options.lease, ...rest } = fields;
    if (store().size >= limits.entries && store().get(name) === undefined) throw refused("full", name);
    const leaseId = shown ?? randomBytes(18).toString("base64url");
    const owner = { lease: digest(leaseId).toString("hex"), chosen: shown !== undefined, peer: peerOf(call.req) };
    const registration = { name, ...rest, lease, timestamp: new Date().toISOString(), owner };
    const made = done(await store().register(registration, toClaim(call.req, shown)), name);
    const head = JSON.stringify({ message: `Service '${name}' registered successfully`, lease_id: leaseId });
    return { status: 201, body: `${head.slice(0, -1)},"service":${toEntry(made, now())}}` };
  }

  async function update(call: Call): Promise<Answer> {
    const { name, req } = call;
    writers.admit(call);
    const body = await readJson(call, limits.body);
    const patch = seenFrom(parsePatch(body), peerOf(req));
    await checkPlace(patch);
    const leaseId = parseLeaseId(req.headers["x-lease-id"], body);
    const made = done(await store().update(name, patch, toClaim(req, leaseId)), name);
    const head = JSON.stringify({ message: `Service '${name}' updated successfully` });
    return { status: 200, body: `${head.slice(0, -1)},"service":${toEntry(made, now())}}` };
  }

  return {
    register,
    update,
    list(call) {
      if (call.query.get("watch") === "true") return watch(call, options);
      return list(call, store(), state.hub.etag(store()), now());
    },
    read: ({ name }) => ({ status: 200, body: toEntry(known(store(), name), now()) }),
    async remove(call) {
      const { name, req } = call;
      writers.admit(call);
      const leaseId = parseLeaseId(req.headers["x-lease-id"], undefined);
      done(await store().remove(name, toClaim(req, leaseId)), name);
      return json({ message: `Service '${name}' unregistered successfully` });
    },
    async heartbeat(call) {
      const { name, req } = call;
      writers.admit(call);
      const body = await readOptionalJson(call, limits.body);
      const leaseId = parseLeaseId(req.headers["x-lease-id"], body);
      done(await store().heartbeat(name, parseStatus(body), toClaim(req, leaseId)), name);
      return { status: 200, body: `{"message":"Heartbeat received","timestamp":"${new Date().toISOString()}"}` };
    },
    check(call) {
      writers.slow(call);
      return check(call, store(), options);
    },
  };
}

async function check({ name }: Call, store: RegistryStore, { checker, now }: RoutesOptions): Promise<Answer> {
  const health = await checker?.check(known(store, name));
  if (health !== undefined) await store.checked(name, health, true);
  const service = known(store, name);
  return json({
    service: name,
    health_status: service.health,
    is_healthy: isHealthy(service, now()),
    last_heartbeat: service.lastHeartbeat / 1_000,
    timestamp: new Date().toISOString(),
  });
}

function openStore({ store }: RegistryState): RegistryStore {
  if (store === undefined) throw refusal("away", "The registry is not open.", soon);
  return store;
}

function list({ req, query }: Call, store: RegistryStore, etag: string, now: number): Answer {
  const headers = { etag, "x-registry-epoch": store.epoch };
  const same = req.headers["if-none-match"]?.split(",").some((one) => one.trim() === etag);
  if (same === true) return { status: 304, body: "", headers };
  const status = query.get("status");
  const healthy = query.get("healthy");
  const wanted = healthy?.toLowerCase() === "true";
  const services = [...store.all()].filter(
    (one) => (status === null || one.status === status) && (healthy === null || isHealthy(one, now) === wanted),
  );
  const { json: entries, total } = toList(services, now);
  const timestamp = new Date().toISOString();
  return { status: 200, body: `{"services":${entries},"total":${total},"timestamp":"${timestamp}"}`, headers };
}

function watch({ req, res }: Call, { state, limits, over }: RoutesOptions): undefined {
  const store = openStore(state);
  if (over()) throw refusal("away", "The registry is shutting down.", soon);
  if (state.hub.watchers >= limits.watchers)
    throw refusal("away", `No more than ${limits.watchers} clients may watch; poll with If-None-Match instead.`, soon);
  state.hub.watch(store, req, res, over);
}

function known(store: RegistryStore, name: string): Service {
  const service = store.get(name);
  if (service === undefined) throw refused("missing", name);
  return service;
}

function done(answer: Service | Refusal, name: string): Service {
  if (typeof answer === "string") throw refused(answer, name);
  return answer;
}

function refused(why: Refusal, name: string): Error {
  if (why === "missing") return refusal("unknown", `Service '${name.slice(0, 128)}' not found`);
  if (why === "full") return refusal("full", "The registry has as many services as it may have.");
  return refusal("taken", `Service '${name}' belongs to another, whose lease holds; show its lease id, or wait.`);
}
