// npm run torture [-- options]
import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { rows } from "./rows/index.mjs";
import { missingPrograms } from "./programs.mjs";
import { schedule } from "./schedule.mjs";
import { createWorld } from "./world.mjs";
import { within } from "./wire.mjs";

const usage = `npm run torture                 each promise, whether it is kept, and the figure that shows it

  --only A1,B*     these rows
  --full           at full size, which takes longer than five minutes
  --json FILE      the rows as JSON
  --naive          against a 30-line proxy instead, to see which rows tell proxies apart; n/a is what it has no word for
  --help`;

/** Milliseconds that one row may take. */
const limits = { false: 60_000, true: 900_000 };

const labels = { kept: "kept", broken: "NOT ", skipped: "SKIP", na: "n/a " };

process.setMaxListeners(100);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
// What a broken promise left behind, such as a connection that nobody closes, must not keep this process.
process.exit();

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      full: { type: "boolean", default: false },
      json: { type: "string" },
      naive: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return print(usage);
  if (!existsSync(new URL("../../dist/core/cli/main.js", import.meta.url))) {
    throw new Error("dist/ is missing, and this shows what users get: npm run build");
  }
  const subject = values.naive ? "naive" : "plugboard";
  const chosen = choose(values.only);
  const width = Math.max(...chosen.map(({ id }) => id.length));
  const startedAt = performance.now();
  const results = await schedule(
    chosen,
    (row) => runRow(row, { subject, full: values.full }),
    ({ id, promise, state, figure, ms }) =>
      print(`${id.padEnd(width)}  ${labels[state]}  ${promise}\n${" ".repeat(width + 8)}${figure} (${ms} ms)`),
  );
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  print(`\n${subject}, Node ${process.version}, ${availableParallelism()} cores, ${seconds} s`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ subject, rows: results }, null, 2)}\n`);
  conclude(results);
}

/** The last line is the score. In CI nothing may be left out. */
function conclude(results) {
  const of = (state) => results.filter((result) => result.state === state);
  const skipped = of("skipped");
  if (skipped.length > 0) print(`NOT TRIED, as a program is missing: ${skipped.map(({ id }) => id).join(" ")}`);
  const kept = of("kept").length;
  const tried = kept + of("broken").length + (process.env.CI ? skipped.length : 0);
  print(`${kept} of ${tried} kept`);
  if (kept < tried) process.exitCode = 1;
}

/** `B*` is all that begin with B. */
function choose(only) {
  if (only === undefined) return rows;
  const chosen = only.split(",").flatMap((word) => {
    const found = rows.filter(({ id }) => (word.endsWith("*") ? id.startsWith(word.slice(0, -1)) : id === word));
    if (found.length === 0) throw new Error(`no row ${word}; there are ${rows.map(({ id }) => id).join(" ")}`);
    return found;
  });
  return [...new Set(chosen)];
}

async function runRow({ id, promise, run, needs = [], naive = true }, options) {
  const missing = missingPrograms(needs);
  if (missing.length > 0)
    return { id, promise, state: "skipped", figure: `${missing.join(" and ")} is missing: apt-get install it`, ms: 0 };
  if (!naive && options.subject === "naive") return { id, promise, state: "na", figure: "it has no such thing", ms: 0 };
  const startedAt = performance.now();
  const world = createWorld(options);
  let verdict;
  try {
    verdict = await within(run(world), "the row", limits[options.full]);
  } catch (error) {
    verdict = { kept: false, figure: error.message };
  } finally {
    await within(world.close(), "the row's end", 10_000).catch(({ message }) => print(`${id}: ${message}`));
  }
  const { kept, figure } = verdict;
  return { id, promise, state: kept ? "kept" : "broken", figure, ms: Math.round(performance.now() - startedAt) };
}

function print(text) {
  process.stdout.write(`${text}\n`);
}
