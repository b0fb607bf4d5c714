import { spawn } from "node:child_process";
import { once } from "node:events";
import { endsWithThis } from "../proxy-process.mjs";
import { megabytes, must } from "../verdict.mjs";
import { answering, ok } from "../wire.mjs";

const needs = ["slowhttptest"];

/** Section I of the promises, by the tool that others use: https://github.com/shekyan/slowhttptest. */
export const slowTool = [
  {
    id: "I1-tool",
    promise: "slowhttptest -H (slowloris) holds nothing after 12 s",
    run: slowHeads,
    needs,
  },
  {
    id: "I2-tool",
    promise: "slowhttptest -B (slow bodies) holds nothing after 32 s without a byte",
    run: slowBodies,
    needs,
  },
  {
    id: "I3-tool",
    promise: "slowhttptest -X (slow reads) is cut when it stalls, memory stays below 300 MiB",
    run: slowReads,
    needs,
    naive: false,
  },
];

async function slowHeads(world) {
  const { proxy } = await world.pair(answering(ok()));
  const { freed, count } = await slowhttptest(world, proxy, { seconds: 14, words: ["-H", "-i", "5"] });
  must(freed, "it still holds some after 14 s");
  return { kept: true, figure: `${count} of ${count} closed within 14 s, service available throughout` };
}

async function slowBodies(world) {
  const { proxy } = await world.pair(answering(ok()));
  const words = ["-B", "-i", "100", "-s", "8192"];
  const { freed, count } = await slowhttptest(world, proxy, { seconds: 36, words });
  must(freed, "it still holds some after 36 s");
  return { kept: true, figure: `${count} of ${count} closed within 36 s, service available throughout` };
}

async function slowReads(world) {
  const { proxy } = await world.pair(answering(ok("a".repeat(2_000_000))), { limits: { writeStall: 3_000 } });
  const before = proxy.descriptors();
  const words = ["-X", "-n", "5", "-z", "32", "-w", "10", "-y", "20", "-k", "3"];
  const { count, most } = await slowhttptest(world, proxy, { seconds: 15, words });
  const cut = proxy.lines.filter(({ flag }) => flag === "SI").length;
  must(cut === count, `${cut} of ${count} were cut`);
  must(most < 300 * 2 ** 20, `the proxy took ${megabytes(most)}`);
  must(proxy.descriptors() - before < 20, `${proxy.descriptors() - before} descriptors are still open`);
  return {
    kept: true,
    figure: `${cut} of ${count} cut after 3 s without progress; the proxy took ${megabytes(most)} at most`,
  };
}

/** Runs it for so long; whether it says that none of its connections is left, and how much memory the proxy had at most. */
async function slowhttptest(world, proxy, { seconds, words }) {
  const count = world.full ? 2_000 : 200;
  const own = [
    "-c",
    String(count),
    "-r",
    "500",
    "-l",
    String(seconds),
    "-p",
    "3",
    "-u",
    `http://127.0.0.1:${proxy.port}/`,
  ];
  const child = spawn("slowhttptest", [...words, ...own], { stdio: ["ignore", "pipe", "inherit"] });
  endsWithThis(child);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece) => void (text += piece));
  let most = 0;
  const look = setInterval(() => void (most = Math.max(most, proxy.memory())), 250);
  try {
    await once(child, "exit");
  } finally {
    clearInterval(look);
  }
  must(!/available:\S*\s+\S*NO/.test(text), "others were not served meanwhile");
  return { freed: text.includes("No open connections left"), count, most };
}
