import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Test } from "plugboard/testing";
import type {
  Claim,
  Patch,
  Refusal,
  Registration,
  RegistryStore,
  Service,
  StoreEvents,
} from "../../../plugins/fleet/_registry-store.ts";

/** One state, such as a directory or a database, and the time that passes for its stores. */
export interface StoreRig {
  /** Opens another store on the state. */
  open(events: StoreEvents): Promise<RegistryStore>;
  /** The clock of `Service.until`. */
  now(): number;
  /** Lets at least so many milliseconds pass: of a fake clock at once, or really. */
  pass(ms: number): Promise<void>;
  /** Called after the stores were closed. */
  close(): Promise<void>;
}

export interface StoreSuite {
  readonly test: Test;
  /** A state of its own for each law. */
  readonly create: () => Promise<StoreRig> | StoreRig;
  /** Milliseconds of the leases that are let lapse: short where time is real. @default 10000 */
  readonly lease?: number;
  /** What a closed store knew a new one on its state knows. @default false */
  readonly keeps?: boolean;
  /** Several stores on one state see each other's changes. @default false */
  readonly shared?: boolean;
}

interface Opened {
  readonly store: RegistryStore;
  /** What it told, in order: `+name`, `-name reason`, `stale message`. */
  readonly told: string[];
  readonly upserts: Service[];
}

interface Stage extends StoreRig {
  readonly lease: number;
  another(): Promise<Opened>;
}

type Law = (opened: Opened, stage: Stage) => Promise<void>;

/** A lease id of at least eight characters, as a claim; none: the address alone. */
export function claim(leaseId?: string, peer = "127.0.0.1"): Claim {
  return { lease: leaseId === undefined ? undefined : sha256(leaseId), peer };
}

export function registration(name: string, fields: Partial<Registration> & { leaseId?: string } = {}): Registration {
  const { leaseId, ...rest } = fields;
  return {
    name,
    host: "127.0.0.1",
    port: 8000,
    hostname: "node-1",
    url: "http://127.0.0.1:8000",
    status: "running",
    metadata: { type: "openai-api" },
    weight: 1,
    lease: 10_000,
    timestamp: "2026-01-02T03:04:05.000Z",
    owner: { lease: sha256(leaseId ?? `random of ${name}`), chosen: leaseId !== undefined, peer: "127.0.0.1" },
    ...rest,
  };
}

/**
 * Tests the laws of a RegistryStore.
 *
 * @example
 * testRegistryStore({ test, create: createMemoryRig });
 * testRegistryStore({ test, create: createRedisRig, lease: 1_500, keeps: true, shared: true });
 */
export function testRegistryStore({ test, create, lease = 10_000, keeps, shared }: StoreSuite): void {
  const laws = { ...writing, ...owning, ...lapsing, ...(keeps && keeping), ...(shared && sharing), ...ending };
  for (const [name, law] of Object.entries(laws)) {
    test(name, async () => {
      const rig = await create();
      const open: RegistryStore[] = [];
      const another = async (): Promise<Opened> => {
        const opened = await openOn(rig);
        open.push(opened.store);
        return opened;
      };
      try {
        const stage = Object.assign(Object.create(rig) as StoreRig, { lease, another });
        await law(await another(), stage);
      } finally {
        for (const store of open) await store.close();
        await rig.close();
      }
    });
  }
}

async function openOn(rig: StoreRig): Promise<Opened> {
  const told: string[] = [];
  const upserts: Service[] = [];
  const store = await rig.open({
    upserted(service) {
      told.push(`+${service.name}`);
      upserts.push(service);
    },
    removed: (name, reason) => void told.push(`-${name} ${reason}`),
    stale: (error) => void told.push(`stale ${error?.message}`),
  });
  return { store, told, upserts };
}

const writing: Readonly<Record<string, Law>> = {
  "begins empty": async ({ store, told }) => {
    assert.equal(store.size, 0);
    assert.deepEqual([...store.all()], []);
    assert.equal(store.get("a"), undefined);
    assert.match(store.epoch, /^[\w-]{8,64}$/);
    assert.deepEqual(told, []);
  },
  "shows what was registered, and tells it before it resolves": async ({ store, told, upserts }, { now }) => {
    const before = now();
    const made = ok(await store.register(registration("a", { leaseId: "lease-of-a" }), claim("lease-of-a")));
    assert.deepEqual(told, ["+a"]);
    assert.deepEqual(upserts[0], made);
    assert.deepEqual(store.get("a"), made);
    assert.deepEqual([...store.all()], [made]);
    assert.equal(store.size, 1);
    assert.equal(made.health, "unknown");
    assert.ok(made.until >= before + 10_000 && made.until <= now() + 10_000, "its lease begins now");
    const { health: _, lastHeartbeat, until: __, ...rest } = made;
    assert.ok(Number.isFinite(lastHeartbeat));
    assert.deepEqual(rest, registration("a", { leaseId: "lease-of-a" }));
  },
  "replaces the whole service when its owner registers again": async ({ store, told }) => {
    await store.register(registration("a", { leaseId: "lease-of-a", metadata: { old: true } }), claim("lease-of-a"));
    await store.checked("a", "healthy", false);
    const again = registration("a", { leaseId: "lease-of-a", port: 8001, status: "starting", metadata: {} });
    const replaced = ok(await store.register(again, claim("lease-of-a")));
    assert.equal(replaced.port, 8001);
    assert.deepEqual(replaced.metadata, {});
    assert.equal(replaced.health, "unknown");
    assert.equal(store.size, 1);
    assert.equal(told.at(-1), "+a");
  },
  "changes what a patch names and nothing else": async ({ store, told }) => {
    const made = ok(await store.register(registration("a"), claim()));
    const patch: Patch = { port: 9000, status: "draining", metadata: { models: ["m"] }, weight: 0.5 };
    const changed = ok(await store.update("a", patch, claim()));
    const { lastHeartbeat: _, until: __, ...rest } = changed;
    const { lastHeartbeat: ___, until: ____, ...before } = made;
    assert.deepEqual(rest, { ...before, ...patch });
    assert.deepEqual(store.get("a"), changed);
    assert.deepEqual(told, ["+a", "+a"]);
  },
  "takes a service out when it deregisters": async ({ store, told }) => {
    await store.register(registration("a"), claim());
    assert.equal(ok(await store.remove("a", claim())).name, "a");
    assert.equal(store.get("a"), undefined);
    assert.equal(store.size, 0);
    assert.deepEqual(told, ["+a", "-a deregistered"]);
    assert.equal(await store.remove("a", claim()), "missing");
  },
  "says that a name is unknown": async ({ store, told }) => {
    assert.equal(await store.update("a", { port: 1 }, claim()), "missing");
    assert.equal(await store.heartbeat("a", undefined, claim()), "missing");
    assert.equal(await store.remove("a", claim()), "missing");
    await store.checked("a", "healthy", true);
    assert.equal(store.size, 0);
    assert.deepEqual(told, []);
  },
  "tells nothing of a heartbeat, except a status that changed": async ({ store, told }) => {
    await store.register(registration("a"), claim());
    await store.heartbeat("a", undefined, claim());
    await store.heartbeat("a", "running", claim());
    assert.deepEqual(told, ["+a"]);
    const changed = ok(await store.heartbeat("a", "loading", claim()));
    assert.equal(changed.status, "loading");
    assert.equal(store.get("a")?.status, "loading");
    assert.deepEqual(told, ["+a", "+a"]);
  },
  "tells what a live check found when it is news": async ({ store, told }) => {
    await store.register(registration("a"), claim());
    for (const health of ["healthy", "healthy", "unhealthy", "unhealthy"] as const)
      await store.checked("a", health, false);
    assert.equal(store.get("a")?.health, "unhealthy");
    assert.deepEqual(told, ["+a", "+a", "+a"]);
  },
  "keeps names and metadata as they are, whatever they are called": async ({ store }) => {
    const names = ["constructor", "a:b", "a:b:c", "a.b", "A", "a", "0@x+y-z", "toString", "x".repeat(128)];
    const metadata = JSON.parse(
      '{"__proto__":{"polluted":true},"constructor":{"prototype":1},"":[],"n":1.5,"deep":{"a":[null,"\\u2028\\u0000é"]}}',
    ) as Record<string, unknown>;
    for (const name of names) await store.register(registration(name, { metadata }), claim());
    assert.deepEqual(sorted(store), names.toSorted());
    for (const name of names) {
      assert.equal(store.get(name)?.name, name);
      assert.equal(JSON.stringify(store.get(name)?.metadata), JSON.stringify(metadata));
    }
    assert.equal(Object.hasOwn(Object.prototype, "polluted"), false);
  },
  "hands out services that do not change": async ({ store }) => {
    const made = ok(await store.register(registration("a"), claim()));
    const copy = structuredClone(made);
    await store.heartbeat("a", "loading", claim());
    await store.update("a", { port: 1234 }, claim());
    await store.checked("a", "healthy", true);
    assert.deepEqual(made, copy);
  },
};

const owning: Readonly<Record<string, Law>> = {
  "refuses another's lease id while the lease holds": async ({ store, told }) => {
    const made = ok(await store.register(registration("a", { leaseId: "lease-of-a" }), claim("lease-of-a")));
    const thief = claim("lease-of-b", "10.0.0.9");
    const theirs = registration("a", { leaseId: "lease-of-b", host: "10.0.0.9" });
    assert.equal(await store.register(theirs, thief), "taken");
    assert.equal(await store.update("a", { host: "10.0.0.9" }, thief), "taken");
    assert.equal(await store.heartbeat("a", undefined, thief), "taken");
    assert.equal(await store.remove("a", thief), "taken");
    assert.deepEqual(store.get("a"), made);
    assert.deepEqual(told, ["+a"]);
  },
  "takes the lease id from any address": async ({ store }) => {
    await store.register(registration("a", { leaseId: "lease-of-a" }), claim("lease-of-a"));
    ok(await store.heartbeat("a", undefined, claim("lease-of-a", "10.0.0.9")));
    ok(await store.remove("a", claim("lease-of-a", "10.0.0.9")));
  },
  "knows one that chose no lease id by its address": async ({ store }) => {
    await store.register(registration("a"), claim());
    ok(await store.heartbeat("a", undefined, claim()));
    assert.equal(await store.heartbeat("a", undefined, claim(undefined, "10.0.0.9")), "taken");
    assert.equal(await store.register(registration("a"), claim(undefined, "10.0.0.9")), "taken");
    ok(await store.register(registration("a", { port: 8001 }), claim()));
    ok(await store.heartbeat("a", undefined, claim("random of a", "10.0.0.9")));
  },
  "asks one that chose a lease id for it, unless it comes back where it was": async ({ store }) => {
    await store.register(registration("a", { leaseId: "lease-of-a" }), claim("lease-of-a"));
    assert.equal(await store.heartbeat("a", undefined, claim()), "taken");
    assert.equal(await store.remove("a", claim("lease-of-b")), "taken");
    const elsewhere = registration("a", { leaseId: "lease-of-b", port: 8001 });
    assert.equal(await store.register(elsewhere, claim("lease-of-b")), "taken");
    ok(await store.register(registration("a", { leaseId: "lease-of-b" }), claim("lease-of-b")));
    assert.equal(await store.heartbeat("a", undefined, claim("lease-of-a")), "taken");
    ok(await store.heartbeat("a", undefined, claim("lease-of-b")));
  },
  "gives a name that many ask for at once to one of them": async ({ store, told }) => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const leaseId = `lease-of-${i}`;
        return store.register(registration("a", { leaseId, port: 8000 + i }), claim(leaseId, `10.0.0.${i}`));
      }),
    );
    const winners = answers.filter((answer): answer is Service => typeof answer === "object");
    assert.equal(winners.length, 1);
    assert.equal(store.get("a")?.port, winners[0]?.port);
    assert.deepEqual(told, ["+a"]);
  },
};

const lapsing: Readonly<Record<string, Law>> = {
  "tells that a lease lapsed, once": async ({ store, told, upserts }, { lease, now, pass }) => {
    await store.register(registration("a", { lease }), claim());
    await pass(lease * 0.4);
    assert.deepEqual(told, ["+a"]);
    await pass(lease * 0.7);
    assert.deepEqual(told, ["+a", "+a"]);
    assert.ok((upserts[1]?.until ?? Infinity) <= now());
    assert.ok((store.get("a")?.until ?? Infinity) <= now());
    await pass(lease * 0.2);
    assert.deepEqual(told, ["+a", "+a"]);
  },
  "forgets a service that stays silent, and tells it": async ({ store, told }, { lease, pass }) => {
    await store.register(registration("a", { lease }), claim());
    await store.register(registration("b", { lease: lease * 100 }), claim());
    await pass(lease * 2.6);
    assert.deepEqual(told, ["+a", "+b", "+a", "-a expired"]);
    assert.equal(store.get("a"), undefined);
    assert.deepEqual(sorted(store), ["b"]);
    assert.equal(await store.heartbeat("a", undefined, claim()), "missing");
  },
  "goes on for as long as there are heartbeats": async ({ store, told }, { lease, now, pass }) => {
    await store.register(registration("a", { lease }), claim());
    for (let beat = 0; beat < 5; beat++) {
      await pass(lease * 0.55);
      const before = now();
      const { until } = ok(await store.heartbeat("a", undefined, claim()));
      assert.ok(until >= before + lease * 0.9, "its lease begins anew");
    }
    assert.deepEqual(told, ["+a"]);
  },
  "takes a change as a heartbeat": async ({ store, told }, { lease, pass }) => {
    await store.register(registration("a", { lease }), claim());
    await pass(lease * 0.6);
    await store.update("a", { weight: 2 }, claim());
    await pass(lease * 0.6);
    assert.deepEqual(told, ["+a", "+a"]);
  },
  "brings a service back with its next heartbeat, and tells it": async ({ store, told, upserts }, stage) => {
    const { lease, now, pass } = stage;
    await store.register(registration("a", { lease }), claim());
    await pass(lease * 1.2);
    assert.deepEqual(told, ["+a", "+a"]);
    await store.heartbeat("a", undefined, claim());
    assert.deepEqual(told, ["+a", "+a", "+a"]);
    assert.ok((upserts[2]?.until ?? 0) > now());
  },
  "gives a name to another once the lease has lapsed": async ({ store }, { lease, pass }) => {
    await store.register(registration("a", { leaseId: "lease-of-a", lease }), claim("lease-of-a"));
    await pass(lease * 1.2);
    const theirs = registration("a", { leaseId: "lease-of-b", host: "10.0.0.9" });
    assert.equal(ok(await store.register(theirs, claim("lease-of-b", "10.0.0.9"))).host, "10.0.0.9");
    assert.equal(await store.heartbeat("a", undefined, claim("lease-of-a", "10.0.0.8")), "taken");
  },
  "lets a lease be shortened": async ({ store, told }, { lease, pass }) => {
    await store.register(registration("a", { lease: lease * 100 }), claim());
    await store.register(registration("a", { lease }), claim());
    await pass(lease * 1.2);
    assert.deepEqual(told, ["+a", "+a", "+a"]);
  },
  "counts a passed check as a heartbeat only when asked": async ({ store, told }, { lease, pass }) => {
    for (const name of ["beats", "looks"]) {
      await store.register(registration(name, { lease }), claim());
      await store.checked(name, "healthy", false);
    }
    told.length = 0;
    await pass(lease * 0.6);
    await store.checked("beats", "healthy", true);
    await store.checked("looks", "healthy", false);
    await pass(lease * 0.6);
    assert.deepEqual(told, ["+looks"]);
    await store.checked("looks", "unhealthy", true);
    assert.deepEqual(told, ["+looks", "+looks"]);
  },
};

const keeping: Readonly<Record<string, Law>> = {
  "has forgotten nothing after a restart": async ({ store }, { another, now, pass }) => {
    const kept = registration("a", { leaseId: "lease-of-a", metadata: { models: ["m"] } });
    await store.register(kept, claim("lease-of-a"));
    await store.register(registration("b"), claim());
    await store.register(registration("gone"), claim());
    await store.update("b", { port: 9000 }, claim());
    await store.heartbeat("b", "loading", claim());
    await store.checked("b", "unhealthy", false);
    await store.remove("gone", claim());
    const before = new Map([...store.all()].map((one) => [one.name, one]));
    await store.close();
    await pass(10);
    const again = await another();
    assert.equal(again.store.epoch, store.epoch);
    assert.deepEqual(sorted(again.store), ["a", "b"]);
    for (const one of again.store.all()) {
      const { until, lastHeartbeat: _, ...rest } = one;
      const { until: __, lastHeartbeat: ___, ...old } = before.get(one.name) as Service;
      assert.deepEqual(rest, old);
      assert.ok(until > now(), "its lease holds");
    }
    assert.deepEqual(again.told, []);
    assert.equal(await again.store.heartbeat("a", undefined, claim("lease-of-b", "10.0.0.9")), "taken");
    ok(await again.store.heartbeat("a", undefined, claim("lease-of-a")));
  },
  "lets what it found lapse and be forgotten": async ({ store }, { another, lease, pass }) => {
    await store.register(registration("a", { lease }), claim());
    await store.close();
    const again = await another();
    await pass(lease * 1.5);
    assert.deepEqual(again.told, ["+a"]);
    await pass(lease * 1.5);
    assert.deepEqual(again.told, ["+a", "-a expired"]);
    await again.store.close();
    assert.equal((await another()).store.size, 0);
  },
  "has an epoch of its own for each state": async ({ store }, { another }) => {
    await store.close();
    assert.equal((await another()).store.epoch, store.epoch);
  },
};

const sharing: Readonly<Record<string, Law>> = {
  "is one store to all that share it": async (one, { another, pass }) => {
    await one.store.register(registration("early"), claim());
    const two = await another();
    assert.equal(two.store.epoch, one.store.epoch);
    assert.deepEqual(sorted(two.store), ["early"]);
    await one.store.register(registration("a", { leaseId: "lease-of-a" }), claim("lease-of-a"));
    await comesTo(pass, () => two.told.includes("+a"));
    assert.deepEqual(two.store.get("a")?.metadata, one.store.get("a")?.metadata);
    assert.equal(await two.store.heartbeat("a", undefined, claim("lease-of-b", "10.0.0.9")), "taken");
    ok(await two.store.update("a", { port: 9000 }, claim("lease-of-a")));
    await comesTo(pass, () => one.store.get("a")?.port === 9000);
    ok(await two.store.remove("a", claim("lease-of-a")));
    await comesTo(pass, () => one.told.at(-1) === "-a deregistered");
    assert.equal(await one.store.heartbeat("a", undefined, claim("lease-of-a")), "missing");
  },
  "hears the heartbeats that another was sent": async (one, { another, lease, pass }) => {
    const two = await another();
    await one.store.register(registration("a", { lease }), claim());
    for (let beat = 0; beat < 4; beat++) {
      await pass(lease * 0.5);
      ok(await two.store.heartbeat("a", undefined, claim()));
    }
    assert.deepEqual(one.told, ["+a"]);
    assert.deepEqual(two.told, ["+a"]);
  },
};

const ending: Readonly<Record<string, Law>> = {
  "tells nothing once it is closed, and closes twice": async ({ store, told }, { lease, pass }) => {
    await store.register(registration("a", { lease }), claim());
    await store.close();
    await store.close();
    await pass(lease * 3);
    assert.deepEqual(told, ["+a"]);
  },
};

function ok(answer: Service | Refusal): Service {
  if (typeof answer === "string") assert.fail(`refused: ${answer}`);
  return answer;
}

function sorted(store: RegistryStore): string[] {
  return [...store.all()].map(({ name }) => name).toSorted();
}

async function comesTo(pass: StoreRig["pass"], met: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !met(); turn++) await pass(10);
  assert.ok(met(), "it never came to that");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
