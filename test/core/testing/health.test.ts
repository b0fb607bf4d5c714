import { expect, test } from "vitest";
import { request } from "undici";
import { definePlugin, type Plugin, type Reporter, type Setup, type Target } from "plugboard";
import { type HealthSettings, testHealth } from "plugboard/testing";

/** What a plugin may get wrong. */
type Fault =
  | "begins late"
  | "doubts the first word"
  | "falls at once"
  | "adds up failures"
  | "rises at once"
  | "adds up passes"
  | "takes any status"
  | "follows redirects"
  | "has no timeout"
  | "is late"
  | "reads no body"
  | "reads it all"
  | "takes errors for passes"
  | "goes one by one"
  | "waits for all"
  | "is blind to news"
  | "never forgets"
  | "never stops"
  | "does not abort"
  | "shares";

interface State {
  up: boolean | undefined;
  streak: number;
  busy: boolean;
}

const shared = new Map<string, State>();

/** The smallest prober that is right, but for its fault. */
function tiny(fault?: Fault): (settings: HealthSettings) => Plugin {
  return (settings) => definePlugin({ name: "tiny", setup: (proxy) => setup(proxy, settings, fault) })();
}

function setup(proxy: Setup, settings: HealthSettings, fault: Fault | undefined): void {
  const settle = judge(proxy.reporter("tiny"), settings, fault);
  const states = fault === "shares" ? shared : new Map<string, State>();
  const pool = proxy.pool();
  const known = new Map<string, Target>();
  let rounds = 0;

  async function probe(target: Target): Promise<void> {
    const state = states.get(target.id) ?? { up: undefined, streak: 0, busy: false };
    states.set(target.id, state);
    if (state.busy) return;
    state.busy = true;
    const passed = await ask(target.origin, settings, fault, proxy.signal);
    state.busy = false;
    if (!proxy.signal.aborted || fault === "never stops") settle(target.id, state, passed);
  }

  async function round(): Promise<void> {
    if (fault === "never forgets") for (const target of pool.snapshot.all) known.set(target.id, target);
    const targets = fault === "never forgets" ? [...known.values()] : pool.snapshot.all;
    if (fault === "goes one by one") for (const target of targets) await probe(target);
    const probes = Promise.all(targets.map(probe));
    if (rounds++ === 0 || fault === "waits for all") await probes;
  }

  proxy.every(settings.interval, round, { immediate: fault !== "begins late" });
  if (fault === "never stops") goOn(() => void round(), settings.interval);
  if (fault === "is blind to news") return;
  pool.onChange(({ all }) => {
    if (rounds > 0) for (const target of all) if (!states.has(target.id)) void probe(target);
  });
}

/** For longer than a law takes, and not for ever: the port may be another upstream's by then. */
function goOn(run: () => void, interval: number): void {
  let left = 300;
  const timer = setInterval(() => (left-- > 0 ? run() : clearInterval(timer)), interval).unref();
}

type Judge = (id: string, state: State, passed: boolean) => void;

function judge(reporter: Reporter, { fall, rise }: HealthSettings, fault: Fault | undefined): Judge {
  const limit = (state: State, passed: boolean): number => {
    if (state.up === undefined) return fault === "doubts the first word" ? fall : 1;
    if (passed) return fault === "rises at once" ? 1 : rise;
    return fault === "falls at once" ? 1 : fall;
  };
  return (id, state, passed) => {
    if (passed === state.up) {
      const keepsCount = passed ? "adds up failures" : "adds up passes";
      if (fault !== keepsCount) state.streak = 0;
      return;
    }
    state.streak += 1;
    if (state.streak < limit(state, passed)) return;
    state.up = passed;
    state.streak = 0;
    if (passed) reporter.up(id);
    else reporter.down(id, "it said so");
  };
}

async function ask(
  origin: string,
  settings: HealthSettings,
  fault: Fault | undefined,
  end: AbortSignal,
): Promise<boolean> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  const timer = setTimeout(abort, settings.timeout + (fault === "is late" ? 600 : 0));
  if (fault === "has no timeout") clearTimeout(timer);
  if (fault !== "does not abort") end.addEventListener("abort", abort);
  try {
    const status = await get(origin, settings.path, { signal: stop.signal, fault });
    return fault === "takes any status" || (status >= 200 && status < 300);
  } catch {
    return fault === "takes errors for passes"; // Whatever it was, it is not an answer.
  } finally {
    clearTimeout(timer);
    end.removeEventListener("abort", abort);
  }
}

interface GetOptions {
  readonly signal: AbortSignal;
  readonly fault: Fault | undefined;
}

async function get(origin: string, path: string, { signal, fault }: GetOptions): Promise<number> {
  const { statusCode, headers, body } = await request(origin + path, { signal, reset: true });
  const { location } = headers;
  if (fault === "follows redirects" && location !== undefined) return get(origin, String(location), { signal, fault });
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    if (fault === "reads no body") break;
    bytes += chunk.length;
    if (bytes > 100_000 && fault !== "reads it all") break;
  }
  return statusCode;
}

function casesOf(create: (settings: HealthSettings) => Plugin): Map<string, () => unknown> {
  const cases = new Map<string, () => unknown>();
  testHealth({ test: (name, run) => cases.set(name, run), create });
  return cases;
}

const first = "has the word of every target before the proxy is ready, and believes it";
const fall = "takes a target down after `fall` failures in a row, not sooner";
const rise = "brings a target back after `rise` passes in a row, not sooner";
const answers = (answer: string): string => `takes a target down that answers: ${answer}`;
const refuses = "takes a target down that refuses connections";
const endless = "leaves a body without end soon";
const parallel = "probes its targets at the same time";
const apart = "does not let a target that hangs hold back the others";
const late = "probes a target that is discovered later at once";
const forgets = "forgets a target that has left";
const ends = "ends a probe that is under way when the proxy closes";
const reloads = "ends the probes of a config that a reload has replaced";
const closes = "does not probe after the proxy has closed";
const shares = "two instances share nothing";

const faults: readonly [Fault, string][] = [
  ["begins late", first],
  ["doubts the first word", first],
  ["falls at once", fall],
  ["adds up failures", fall],
  ["rises at once", rise],
  ["adds up passes", rise],
  ["takes any status", answers("fail")],
  ["takes any status", answers("missing")],
  ["follows redirects", answers("redirect")],
  ["has no timeout", answers("hang")],
  ["is late", answers("hang")],
  ["reads no body", answers("drip")],
  ["has no timeout", answers("stuck")],
  ["takes errors for passes", answers("garbage")],
  ["takes errors for passes", answers("reset")],
  ["takes errors for passes", refuses],
  ["reads it all", endless],
  ["goes one by one", parallel],
  ["waits for all", apart],
  ["is blind to news", late],
  ["never forgets", forgets],
  ["never stops", closes],
  ["never stops", reloads],
  ["does not abort", ends],
  ["shares", shares],
];

testHealth({ test: (name, run) => test(`a tiny prober ${name}`, run), create: tiny() });

/** Keeps the event loop busy, so that nothing can be timed beside it. */
const loud: Fault = "reads it all";

async function refuse(fault: Fault, law: string): Promise<void> {
  await expect(casesOf(tiny(fault)).get(law)?.()).rejects.toThrow();
}

const name = "a plugin that %s does not pass: %s";
test.concurrent.each(faults.filter(([fault]) => fault !== loud))(name, refuse);
test.each(faults.filter(([fault]) => fault === loud))(name, refuse);

test("what else asks an upstream is not taken for a probe", async () => {
  const meddling = (settings: HealthSettings): Plugin =>
    definePlugin({
      name: "meddling",
      setup(proxy) {
        setup(proxy, settings, "reads it all");
        proxy.onReady(async () => {
          for (const { origin } of proxy.pool().snapshot.all)
            for (let i = 0; i < 3; i++) await (await request(`${origin}/alive`, { reset: true })).body.text();
        });
      },
    })();
  await expect(casesOf(meddling).get(endless)?.()).rejects.toThrow(/bytes of a body were read/);
});

test("every law has a plugin above that breaks it", () => {
  const broken = new Set(faults.map(([, law]) => law));
  expect([...casesOf(tiny()).keys()].toSorted()).toEqual([...broken].toSorted());
});
