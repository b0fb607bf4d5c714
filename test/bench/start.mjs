import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { residentBytes } from "./machine.mjs";
import { accepts, freePort } from "./subjects.mjs";
import { fixed, median, megabytes, renderTable, spread } from "./table.mjs";
import { alias, chatRequest, path, upstreamModel } from "./traffic.mjs";
import { openWorld } from "./world.mjs";

const root = new URL("../../", import.meta.url).pathname;
const starts = 9;
/** Of the starts, how many are left alone for a while to see the memory they settle at. */
const idleStarts = 3;
const idleTime = 3000;

/** Starts the command line as a user would: from an installed tarball, with a TypeScript config of the usual plugins. */
export async function benchStart(_options, print) {
  const world = await openWorld();
  try {
    const project = installProject(world.scratch, print);
    writeFileSync(join(project, "proxy.config.ts"), configSource(world.targets));
    const samples = [];
    for (let round = 0; round < starts; round++) samples.push(await startOnce(project, round < idleStarts));
    const installed = diskBytes(join(project, "node_modules"));
    return report({ samples, installed }, print);
  } finally {
    world.close();
  }
}

function installProject(scratch, print) {
  const project = join(scratch, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
  print("Packing plugboard and installing the tarball in an empty project ...");
  // dist/ is what is measured everywhere in the bench; packing must not build it anew.
  const packed = npm(root, ["pack", "--ignore-scripts", "--json", "--pack-destination", scratch]);
  const [{ filename }] = JSON.parse(packed);
  npm(project, ["install", "--ignore-scripts", "--no-audit", "--no-fund", join(scratch, filename)]);
  return project;
}

function npm(cwd, args) {
  // Inside `npm run`, the settings of the outer npm would win over those of this folder.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")));
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm ${args[0]} failed in ${cwd}:\n${stderr}`);
  return stdout;
}

function configSource(targets) {
  const listed = targets.map((url) => `{ url: "${url}", models: ["${upstreamModel}"] }`).join(", ");
  return `import { defineProxy } from "plugboard";
import {
  activeHealth, alias, model, models, openaiErrors, roundRobin, sse, staticTargets, stats,
} from "plugboard/plugins";

const fast: string = "${alias}";

export default defineProxy({
  plugins: [
    staticTargets({ targets: [${listed}] }),
    activeHealth({ path: "/v1/models", interval: 5_000 }),
    roundRobin(),
    model(),
    alias({ [fast]: { targets: [{ model: "${upstreamModel}" }] } }),
    models(),
    sse(),
    openaiErrors(),
    stats(),
  ],
});
`;
}

async function startOnce(project, idle) {
  const port = await freePort();
  const main = join(project, "node_modules/plugboard/dist/core/cli/main.js");
  const startedAt = performance.now();
  const child = spawn(process.execPath, [main, "--config", "proxy.config.ts", "--port", String(port)], {
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  try {
    while (!(await accepts(port, 2))) {
      if (child.exitCode !== null) throw new Error(`plugboard ended before it listened:\n${output}`);
    }
    const status = await post(port);
    const firstAnswer = performance.now() - startedAt;
    if (status !== 200) throw new Error(`the first answer was ${status}:\n${output}`);
    if (!idle) return { firstAnswer };
    await sleep(idleTime);
    return { firstAnswer, idle: residentBytes(child.pid) };
  } finally {
    child.kill("SIGKILL");
  }
}

function post(port) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const sent = request({ port, host: "127.0.0.1", path, method: "POST", headers, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    sent.on("error", reject);
    sent.end(chatRequest(1024, false));
  });
}

/** What `du` counts: blocks, not lengths. */
function diskBytes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).blocks * 512)
    .reduce((sum, bytes) => sum + bytes, 0);
}

function report({ samples, installed }, print) {
  const times = samples.map(({ firstAnswer }) => firstAnswer);
  const memory = samples.flatMap(({ idle }) => idle ?? []);
  const rows = [
    ["spawn to first answer, TypeScript config, ms", spread(times, fixed(0))],
    ["the same at the very first start, nothing cached, ms", fixed(0)(times[0])],
    ["resident memory when idle, MB", spread(memory, megabytes)],
    ["node_modules of a user, MB", megabytes(installed)],
  ];
  print(renderTable(`Start of an installed plugboard, ${starts} times`, ["", "median (min-max)"], rows));
  const goal = (text, value, most) => ({ goal: `start: ${text}`, value: fixed(1)(value), met: value < most });
  return {
    results: { samples, installed },
    goals: [
      goal("first answer within 500 ms", median(times), 500),
      goal("idle below 100 MB", median(memory) / 1e6, 100),
      goal("node_modules below 30 MB", installed / 1e6, 30),
    ],
  };
}
