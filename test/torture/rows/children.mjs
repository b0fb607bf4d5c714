import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { createCases, megabytes, must, mustEqual, quantile } from "../verdict.mjs";
import { get, within } from "../wire.mjs";
import { until } from "../world.mjs";

const program = fileURLToPath(new URL("../child-program.mjs", import.meta.url));

/** Section K of the promises: the processes that the babysitter runs. */
export const children = [
  {
    id: "K6",
    promise: "Backends that crash, leave, shout or do not end are restarted, borne and ended",
    run: babysitter,
    naive: false,
  },
];

async function babysitter(world) {
  const cases = createCases();
  const ports = await world.freePorts(5);
  const names = ["crashing", "leaving", "loud", "stubborn", "parent"];
  const backends = names.map((name, index) => ({
    name,
    port: ports[index],
    control: false,
    command: [process.execPath, program, "{port}", name],
    restart: { delay: 100, maxDelay: 400 },
    ready: { interval: 100, check: 200, fall: 1 },
    stop: { grace: 1_000 },
  }));
  const proxy = await world.proxy(undefined, {
    plugins: `all.babysitter({ backends: ${JSON.stringify(backends)} }), all.model(),`,
    limits: { drainDelay: 0, drainIdle: 0 },
  });
  const ids = async (what) =>
    (await world.json(proxy, "/services")).services.filter(what).map(({ models }) => models[0]);
  await until(async () => (await ids(({ healthy }) => healthy)).length === names.length, "all are ready", 20_000);
  const before = proxy.memory();
  for (const [index, [how, path]] of [
    ["by kill -9", "/crash"],
    ["with exit 0", "/leave"],
  ].entries()) {
    await cases.try(`restarted after it ended ${how}`, async () => {
      const port = ports[index];
      const pid = (await world.exchange({ port }, get("/"))).text;
      await world.exchange({ port }, get(path)).catch(() => {}); // It ends in the midst of it.
      const answer = () =>
        world.exchange({ port }, get("/")).then(
          ({ text }) => text,
          () => pid,
        );
      await until(async () => (await answer()) !== pid, "it runs again", 10_000);
      await until(
        async () => (await ids(({ healthy }) => healthy)).includes(names[index]),
        "it is a target again",
        5_000,
      );
    });
  }
  await cases.try("one that shouts", async () => {
    const durations = [];
    for (let round = 0; round < 100; round++) {
      const startedAt = performance.now();
      mustEqual((await world.exchange(proxy, get("/health"))).status, 200, "the status of /health");
      durations.push(performance.now() - startedAt);
    }
    must(quantile(durations, 0.95) < 100, `95 % of other answers took ${Math.round(quantile(durations, 0.95))} ms`);
    must(proxy.memory() - before < 64 * 2 ** 20, `the proxy took ${megabytes(proxy.memory() - before)}`);
    must(proxy.lines.length < 5_000, `${proxy.lines.length} lines of it are in the log`);
  });
  await cases.try("a port that is taken", async () => {
    const taken = createServer((socket) => socket.destroy());
    await new Promise((resolve) => taken.listen(0, "127.0.0.1", resolve));
    world.defer(() => new Promise((resolve) => void taken.close(resolve)));
    const backend = { ...backends[0], name: "taken", port: taken.address().port };
    const other = await world
      .proxy([{ url: `http://127.0.0.1:${ports[0]}` }], {
        plugins: `all.babysitter({ backends: [${JSON.stringify(backend)}] }),`,
        limits: { drainDelay: 0, drainIdle: 0 },
      })
      .catch(({ message }) => message);
    if (typeof other === "string") return must(/port|use/i.test(other), `it did not start: ${other}`);
    await until(async () => (await world.exchange(other, get("/"))).status === 200, "the other target serves");
    other.signal("SIGTERM");
    await within(other.exited, "it ends", 10_000);
  });
  await cases.try("all of them are gone with the proxy", async () => {
    const own = childrenOf(program);
    must(own.length >= names.length, `${own.length} of them run`);
    proxy.signal("SIGTERM");
    mustEqual((await within(proxy.exited, "the proxy ends", 15_000)).code, 0, "its exit code");
    await until(() => own.every((pid) => !isAlive(pid)), "they are gone, with their own children", 5_000);
  });
  return cases.verdict("misbehaviours of backends are met");
}

/** Processes with this in their command line, and their children. */
function childrenOf(text) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const read = (pid, file) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return ""; // It has ended meanwhile.
    }
  };
  const own = pids.filter((pid) => read(pid, "cmdline").includes(text) && Number(pid) !== process.pid);
  const below = pids.filter((pid) => own.includes(read(pid, "stat").split(") ").at(-1).split(" ")[1]));
  return [...new Set([...own, ...below])];
}

function isAlive(pid) {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
