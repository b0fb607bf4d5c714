import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { findExecutable } from "./machine.mjs";
import { scenarios } from "./scenarios.mjs";
import { subjects } from "./subjects.mjs";
import { fixed, median, renderTable, spread } from "./table.mjs";
import { openWorld } from "./world.mjs";

const folder = new URL(".", import.meta.url).pathname;
const referenceName = "pipe";
const goals = [
  { name: "plugboard", other: "pipe", least: 0.8 },
  { name: "plugboard-llm", other: "pipe", least: 0.65 },
  { name: "plugboard-llm", other: "portkey", least: 10 },
];
/** Seconds before what counts: code gets compiled in the first round, connections get opened in each. */
const warmUp = { first: 2, later: 0.4 };

/**
 * Measures all subjects in turn, round by round, so that a change of the machine's mood meets all of them.
 * @returns {Promise<{ results: object, goals: { goal: string, value: string, met: boolean }[] }>}
 */
export async function benchProxy(options, print) {
  const chosen = chooseSubjects(options.only, print);
  if (chosen.some((subject) => subject.peer)) installPeers(print);
  const world = await openWorld();
  print(`${world.cores.note}; alternating, medians of the rounds with (smallest-largest)\n`);
  try {
    const results = {};
    for (const scenario of chooseScenarios(options.scenario)) {
      const measured = await measureScenario(world, scenario, chosen, options, print);
      results[scenario.name] = measured;
      print(renderScenario(scenario, measured));
    }
    return { results, goals: goalsOf(results) };
  } finally {
    world.close();
  }
}

function chooseSubjects(only, print) {
  const unknown = only?.filter((name) => !subjects.some((subject) => subject.name === name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`unknown subject ${unknown.join(", ")}; there are ${subjects.map((s) => s.name).join(", ")}`);
  }
  return subjects.filter(({ name, executable }) => {
    if (only !== undefined && name !== referenceName && !only.includes(name)) return false;
    const missing = executable !== undefined && findExecutable(executable) === undefined;
    if (missing) print(`${name} is not installed here: left out`);
    return !missing;
  });
}

function chooseScenarios(names) {
  const unknown = names?.filter((name) => !scenarios.some((scenario) => scenario.name === name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`unknown scenario ${unknown.join(", ")}; there are ${scenarios.map((s) => s.name).join(", ")}`);
  }
  return scenarios.filter(({ name }) => names === undefined || names.includes(name));
}

function installPeers(print) {
  if (existsSync(`${folder}node_modules/.package-lock.json`)) return;
  print("Installing the proxies to compare with into test/bench/node_modules (once) ...");
  const { status } = spawnSync("npm", ["ci"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("npm ci in test/bench failed; --only plugboard,plugboard-llm needs none of it");
}

/** @returns {Promise<Record<string, { samples: object[], failure?: string, faults: string[] }>>} */
async function measureScenario(world, scenario, chosen, options, print) {
  const taking = chosen.filter((subject) => scenario.runs(subject));
  const runners = [];
  if (scenario.direct) runners.push(directRunner(world));
  for (const subject of taking) runners.push(await createRunner(world, subject, scenario.fresh));
  const rounds = options.rounds ?? scenario.rounds;
  for (let round = 0; round < (scenario.fresh ? 1 : rounds); round++) {
    for (const runner of runners.filter(({ failure }) => failure === undefined)) {
      options.progress(`${scenario.name} ${round + 1}/${rounds} ${runner.name}`);
      await runOnce(world, scenario, runner, {
        warm: round === 0 ? warmUp.first : warmUp.later,
        seconds: options.seconds,
      });
    }
  }
  options.progress("");
  await Promise.all(runners.map((runner) => runner.instance?.stop()));
  for (const { name, failure } of runners) {
    if (failure !== undefined) print(`!!! ${name} FAILED in ${scenario.name}: ${failure}`);
  }
  return Object.fromEntries(runners.map(({ name, samples, failure, faults }) => [name, { samples, failure, faults }]));
}

/** The upstream itself, without anything between. */
function directRunner(world) {
  return {
    name: "direct",
    samples: [],
    faults: [],
    failure: undefined,
    instance: { port: world.upstreamPorts[0], stop() {} },
    restart() {},
  };
}

async function createRunner(world, subject, fresh) {
  const runner = { name: subject.name, samples: [], faults: [], failure: undefined, instance: undefined, restart };
  async function restart() {
    await runner.instance?.stop();
    try {
      const started = await subject.start({ targets: world.targets, cores: world.cores.proxy, scratch: world.scratch });
      const { rewrites, streams } = subject;
      runner.instance = { ...started, rewrites, streams, headers: subject.headers?.(world.targets) };
    } catch (error) {
      runner.failure = error.message;
    }
  }
  if (!fresh) await restart();
  return runner;
}

async function runOnce(world, scenario, runner, options) {
  if (scenario.fresh) await runner.restart();
  if (runner.failure !== undefined) return;
  const sample = await scenario.run(world, runner.instance, options);
  if (sample.fault !== undefined) {
    runner.faults.push(sample.fault);
    await runner.restart();
  }
  if (sample.failure !== undefined) runner.failure = sample.failure;
  else runner.samples.push(sample);
  if (scenario.fresh) await runner.instance.stop();
}

function renderScenario(scenario, measured) {
  const direct = measured.direct?.samples;
  const withRatio = scenario.rate !== undefined;
  const header = ["", ...scenario.header, ...(withRatio ? [`ratio to ${referenceName}`] : [])];
  const rows = Object.entries(measured).map(([name, { samples, failure }]) => {
    if (failure !== undefined) return [name, "FAILED", ...header.slice(2).map(() => "")];
    const ratio = withRatio ? [ratioTo(measured, name, referenceName, scenario)] : [];
    return [name, ...scenario.columns(samples, direct), ...ratio];
  });
  const notes = Object.entries(measured)
    .filter(([, { faults }]) => faults.length > 0)
    .map(([name, { faults }]) => `${name}: ${faults[0]}\n`);
  return `${renderTable(scenario.title, header, rows)}${notes.join("")}`;
}

function ratioTo(measured, name, other, scenario) {
  const ratios = ratiosOf(measured, name, other, scenario.rate);
  return ratios.length === 0 ? "-" : spread(ratios, fixed(2));
}

/** One ratio for each round in which both were measured. */
function ratiosOf(measured, name, other, rate) {
  const mine = measured[name]?.samples ?? [];
  const theirs = measured[other]?.samples ?? [];
  return mine.slice(0, theirs.length).map((sample, round) => rate(sample) / rate(theirs[round]));
}

/** Only what was measured in this run, or failed in it. */
function goalsOf(results) {
  const measured = results["post-1k"] ?? {};
  return goals
    .filter(({ name, other }) => measured[name] !== undefined && measured[other] !== undefined)
    .map(({ name, other, least }) => {
      const ratios = ratiosOf(measured, name, other, scenarios[0].rate);
      const value = measured[name].failure === undefined && ratios.length > 0 ? median(ratios) : 0;
      return { goal: `post-1k: ${name} at least ${least} x ${other}`, value: fixed(2)(value), met: value >= least };
    });
}
