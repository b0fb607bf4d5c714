// npm run bench [-- proxy | start | select | registry | hold] [options]
import { existsSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { benchHold } from "./hold.mjs";
import { describeMachine } from "./machine.mjs";
import { benchProxy } from "./proxy.mjs";
import { benchRegistry } from "./registry.mjs";
import { benchSelect } from "./select.mjs";
import { benchStart } from "./start.mjs";
import { renderTable } from "./table.mjs";

const usage = `npm run bench                   everything, in under ten minutes
npm run bench -- proxy          requests, streams, latency and memory against other proxies
npm run bench -- start          time to the first answer, idle memory, size of an installation
npm run bench -- select         nanoseconds per pick of each selector
npm run bench -- registry       ten thousand services: their heartbeats, and the way of a change to the router
npm run bench -- hold           twenty thousand connections and streams: whether all live, and what one costs

  --only a,b       these subjects (pipe is always among them)
  --scenario a,b   post-1k, post-64k, streams, latency, memory
  --rounds N       rounds of each scenario
  --seconds S      length of one measurement (default 1)
  --json FILE      all samples
  --check          exit code 1 if a goal is missed`;

const benches = { proxy: benchProxy, start: benchStart, select: benchSelect, registry: benchRegistry, hold: benchHold };

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: "string" },
      scenario: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string", default: "1" },
      json: { type: "string" },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return print(usage);
  const names = positionals.length === 0 ? Object.keys(benches) : positionals;
  const unknown = names.find((name) => !(name in benches));
  if (unknown !== undefined) throw new Error(`unknown bench ${unknown}\n${usage}`);
  if (!existsSync(new URL("../../dist/core/index.js", import.meta.url))) {
    throw new Error("dist/ is missing, and the bench measures what users get: npm run build");
  }
  const options = {
    only: values.only?.split(","),
    scenario: values.scenario?.split(","),
    rounds: values.rounds === undefined ? undefined : positive("rounds", values.rounds),
    seconds: positive("seconds", values.seconds),
    progress,
  };
  const machine = describeMachine();
  print(`${machine}\n`);
  const outcomes = {};
  for (const name of names) outcomes[name] = await benches[name](options, print);
  const goals = Object.values(outcomes).flatMap((outcome) => outcome.goals);
  if (goals.length > 0) print(renderGoals(goals));
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, goals, outcomes }, null, 2)}\n`);
  if (values.check && goals.some(({ met }) => !met)) process.exitCode = 1;
}

function renderGoals(goals) {
  const rows = goals.map(({ goal, value, met }) => [goal, value, met ? "met" : "MISSED"]);
  return renderTable("Goals", ["", "measured", ""], rows);
}

function positive(name, text) {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} ${text}: a number above 0 is needed`);
}

function print(text) {
  process.stdout.write(`${text}\n`);
}

/** One line that replaces itself, for people who wait; nothing in a log file. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
}
