import { expect, test } from "vitest";
import { listTargets, type Readiness, showReadiness, type TargetLine } from "../../../core/cli/banner.ts";
import type { Pool, Target } from "plugboard";

const target: TargetLine = {
  pool: "default",
  id: "http://127.0.0.1:1",
  url: "http://127.0.0.1:1",
  models: [],
  up: true,
  reasons: [],
};

const base: Readiness = {
  version: "1.2.3",
  urls: ["http://127.0.0.1:8000"],
  listeners: [],
  config: "proxy.config.ts",
  plugins: ["static-targets", "round-robin"],
  targets: [target],
  ms: 200,
};

/** Without colors and without the blank lines around. */
function lines(change: Partial<Readiness>): string[] {
  return showReadiness({ ...base, ...change })
    .replace(/\u001B\[\d+m/gu, "")
    .split("\n")
    .filter(Boolean);
}

test("shows what runs, where, and with what, in a few lines", () => {
  expect(lines({})).toEqual([
    "  plugboard 1.2.3  ready in 200 ms",
    "  ➜  http://127.0.0.1:8000",
    "  config   proxy.config.ts",
    "  plugins  static-targets, round-robin",
    "  targets  ● http://127.0.0.1:1  any model",
  ]);
});

test("shows which targets are down, and who says so", () => {
  const targets = [
    { ...target, id: "one", models: ["small", "large"] },
    { ...target, id: "two", url: "http://127.0.0.1:10000", up: false, reasons: ["active-health: connection refused"] },
  ];
  expect(lines({ targets }).slice(-2)).toEqual([
    "  targets  ● http://127.0.0.1:1      one  small, large",
    "           ● http://127.0.0.1:10000  two  down, active-health: connection refused",
  ]);
});

test("names the pools where there is more than one", () => {
  const shown = lines({ targets: [target, { ...target, pool: "spare" }] });
  expect(shown.at(-2)).toContain("default");
  expect(shown.at(-1)).toContain("spare");
});

test("counts the targets that are too many to show, and those of them that are down", () => {
  const targets = Array.from({ length: 30 }, (_, index) => ({ ...target, up: index < 20 }));
  const shown = lines({ targets });
  expect(shown.at(-1)?.trim()).toBe("and 22 more, 10 of them down");
  expect(shown.length).toBeLessThan(15);
});

test("says what it means to have no target, no plugin or no config", () => {
  const shown = lines({ targets: [], plugins: [], config: undefined });
  expect(shown.slice(-3)).toEqual([
    "  config   none, made of --target",
    "  plugins  none",
    "  targets  none yet: requests are answered with 503",
  ]);
});

test("shows further ports, and why one does not listen", () => {
  const open = { name: "admin", host: "127.0.0.1", port: 9000, url: "http://127.0.0.1:9000", state: "open" } as const;
  const busy = { name: "compat", host: "0.0.0.0", port: 5000, url: undefined, state: "waiting" } as const;
  const listeners = [
    { ...open, reason: undefined },
    { ...busy, reason: "port 5000 is in use" },
  ];
  expect(lines({ listeners }).slice(2, 4)).toEqual([
    "     http://127.0.0.1:9000  admin",
    "     0.0.0.0:5000  compat, waiting: port 5000 is in use",
  ]);
});

test("breaks a long list of plugins at its commas", () => {
  const plugins = Array.from({ length: 30 }, (_, index) => `plugin-${index}`);
  const shown = lines({ plugins });
  for (const line of shown) expect(line.length).toBeLessThanOrEqual(80);
  expect(shown.join(" ").match(/plugin-\d+/gu)).toEqual(plugins);
});

test("reads targets, models and verdicts from the pools", () => {
  const stats = { inflight: 0, requests: 0, failures: 0, ttfb: 0, lastFailure: 0 };
  const make = (id: string): Target => ({
    id,
    origin: `http://${id}`,
    basePath: "/v1",
    weight: 1,
    models: ["m"],
    model: undefined,
    labels: {},
    meta: {},
    live: stats,
  });
  const [up, down] = [make("up"), make("down")];
  const pool: Pool = {
    name: "default",
    snapshot: { version: 1, all: [up, down], available: [up], disabled: [] },
    onChange() {},
    onLoad() {},
    verdicts: (id) => (id === "down" ? [{ reporter: "probe", reason: "refused", since: 0, until: Infinity }] : []),
  };
  expect(listTargets([pool])).toEqual([
    { pool: "default", id: "up", url: "http://up/v1", models: ["m"], up: true, reasons: [] },
    { pool: "default", id: "down", url: "http://down/v1", models: ["m"], up: false, reasons: ["probe: refused"] },
  ]);
});
