import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createCases, must, mustEqual } from "../verdict.mjs";
import { within } from "../wire.mjs";
import { until } from "../world.mjs";

const root = new URL("../../../", import.meta.url);
const program = fileURLToPath(new URL("../child-program.mjs", import.meta.url));

/** Section J of the promises: what the package itself brings along. */
export const packageRows = [
  { id: "J14", promise: "A Node with a known way to stop it from outside is told of", run: oldNode, naive: false },
  { id: "J8", promise: "Nothing that is given becomes code or a shell's command", run: injection, naive: false },
  {
    id: "J13",
    promise: "What an install brings is pinned, checked by its hash, and runs no script",
    run: supply,
    naive: false,
  },
];

/** What would make code or a command of text, and how that looks. */
const bans = [
  [/\bshell["']?\s*:(?!\s*false\b)/, "spawn(program, args, { shell: true })"],
  [/(?<![.\w$])exec(?:Sync)?\s*\(/, "exec(command)"],
  [/\{[^}]*\bexec(?:Sync)?\b[^}]*\}\s*from\s*["'](?:node:)?child_process["']/, 'import { exec } from "child_process"'],
  [/(?:\bchild_process|\bchildProcess)\.exec(?:Sync)?\s*\(/, "child_process.execSync(command)"],
  [/(?<![.\w$])eval\s*\(/, "eval(text)"],
  [/(?<![.\w$])Function\s*\(/, 'new Function("a", text)'],
  [/["'](?:node:)?vm["']/, 'import { runInThisContext } from "node:vm"'],
];

async function injection(world) {
  const cases = createCases();
  const files = filesOf("dist").filter((path) => path.endsWith(".js"));
  for (const [ban, sample] of bans) {
    await cases.try(sample, () => {
      must(ban.test(sample), "it would not be found");
      const guilty = files.filter((path) => ban.test(readFileSync(new URL(path, root), "utf8")));
      mustEqual(guilty, [], "the files with it");
    });
  }
  await cases.try("files", () => must(files.length > 300, `only ${files.length} were looked at`));
  const trace = `${world.file("")}-touched`;
  const touch = `touch ${trace}`;
  const args = [
    `; ${touch}`,
    `$(${touch})`,
    `\`${touch}\``,
    `| ${touch}`,
    `&& ${touch} #`,
    `\n${touch}\n`,
    `'"; ${touch}`,
  ];
  const ports = await world.freePorts(args.length);
  const backends = args.map((arg, index) => ({
    name: `backend-${index}`,
    port: ports[index],
    control: false,
    command: [process.execPath, program, "{port}", arg],
    ready: { interval: 50 },
  }));
  const limits = { drainDelay: 0, drainIdle: 0 };
  const plugins = `all.babysitter({ backends: ${JSON.stringify(backends)} }),`;
  const proxy = await world.proxy(undefined, { plugins, limits });
  const tries = args.map((arg, index) =>
    cases.try(`an argument of ${JSON.stringify(arg.replace(trace, "FILE"))}`, () => {
      const wanted = `${[process.execPath, program, ports[index], arg].join("\0")}\0`;
      return until(() => commandLines().has(wanted), "a process has it as it is", 10_000);
    }),
  );
  await Promise.all(tries);
  await cases.try("what they name", () => must(!existsSync(trace), "the file is there"));
  // One that is killed leaves its backends running.
  proxy.signal("SIGTERM");
  await within(proxy.exited, "the proxy ends", 15_000);
  return cases.verdict(`ways to a command closed; ${files.length} files looked at`);
}

/** Of all processes, each argument with a NUL behind it. */
function commandLines() {
  const lines = readdirSync("/proc").map((name) => {
    try {
      return /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, "latin1") : "";
    } catch {
      return ""; // It has ended meanwhile.
    }
  });
  return new Set(lines);
}

/** Paths from the root of the repository. */
function filesOf(folder) {
  const path = fileURLToPath(new URL(folder, root));
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const prefix = fileURLToPath(root).length;
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => `${parentPath}/${name}`.slice(prefix));
}

/** Packages that an install brings: more than these were not looked at by anyone. */
const most = { direct: 11, all: 46 };

async function supply() {
  const cases = createCases();
  const own = readJson("package.json");
  const { packages } = readJson("package-lock.json");
  const locked = Object.entries(packages).filter(([path]) => path !== "");
  const installed = locked.filter(
    ([, { dev, devOptional, optional, peer }]) => !(dev || devOptional || optional || peer),
  );
  const namesOf = (what) => locked.filter(what).map(([path]) => path);
  await cases.try("scripts of its own", () => mustEqual(installScripts(own), [], "those that run at an install"));
  await cases.try("versions", () => {
    const loose = Object.entries(own.dependencies).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
    mustEqual(loose, [], "those that are not pinned");
    mustEqual(packages[""].dependencies, own.dependencies, "what the lockfile was made for");
  });
  await cases.try("hashes", () => {
    const without = namesOf(
      ([, { integrity = "", inBundle, link }]) => !inBundle && !link && !integrity.startsWith("sha512-"),
    );
    mustEqual(without, [], "those without one");
    const astray = namesOf(
      ([, { resolved }]) => resolved !== undefined && !resolved.startsWith("https://registry.npmjs.org/"),
    );
    mustEqual(astray, [], "those from elsewhere than the registry");
  });
  await cases.try("scripts of others", () => {
    mustEqual(
      namesOf(([, { hasInstallScript }]) => hasInstallScript),
      [],
      "those with one by the lockfile",
    );
    const there = installed.filter(([path]) => existsSync(new URL(`${path}/package.json`, root)));
    must(there.length >= Object.keys(own.dependencies).length, "they are not installed here");
    const running = there.filter(([path]) => installScripts(readJson(`${path}/package.json`), path).length > 0);
    mustEqual(
      running.map(([path]) => path),
      [],
      "those with one as they are installed",
    );
  });
  await cases.try("how many", () => {
    const count = { direct: Object.keys(own.dependencies).length, all: installed.length };
    must(count.direct <= most.direct && count.all <= most.all, `${count.direct} named and ${count.all} in all`);
  });
  await cases.try("what is packed", () => {
    const sources = filesOf("dist").map((path) => [
      path,
      path.replace(/^dist\//, "").replace(/(\.d\.ts|\.js)$/, ".ts"),
    ]);
    const strays = sources.filter(([, source]) => !existsSync(new URL(source, root)));
    mustEqual(
      strays.map(([path]) => path),
      [],
      "files without a source",
    );
  });
  return cases.verdict(
    `checks pass; ${Object.keys(own.dependencies).length} dependencies, ${installed.length} packages with theirs, none with an install script`,
  );
}

function readJson(path) {
  return JSON.parse(readFileSync(new URL(path, root), "utf8"));
}

/** npm builds what has a binding.gyp, without being told. */
function installScripts({ scripts = {} }, path = ".") {
  const named = ["preinstall", "install", "postinstall"].filter((name) => scripts[name] !== undefined);
  return existsSync(new URL(`${path}/binding.gyp`, root)) ? [...named, "binding.gyp"] : named;
}

async function oldNode() {
  const { newerNodeThan } = await import(new URL("dist/core/cli/node-floor.js", root));
  const cases = createCases();
  const told = { "v20.19.0": "20.20.2", "v20.20.1": "20.20.2", "v20.20.2": undefined, "v24.1.0": undefined };
  for (const [version, newer] of Object.entries(told))
    await cases.try(version, () => mustEqual(newerNodeThan(version), newer, "the release that is named"));
  return cases.verdict(`versions judged; this one is ${process.version}`);
}
