import { expect, test } from "vitest";
import { createProject, serve } from "../core/cli/_cli.ts";
import { openUpstream } from "./open-upstream.ts";

/** An upstream that answers everything but its health check. */
function upstream(sick = false): Promise<string> {
  return openUpstream((req, res) => {
    if (req.url === "/health") res.writeHead(sick ? 500 : 200).end();
    else req.resume().once("end", () => res.end("{}"));
  });
}

const selector = (index: number): string => `import { defineSelector } from "plugboard";
export const mine = defineSelector({ name: "mine", pick: (targets) => targets.at(${index}) });
`;

interface Config {
  readonly synonyms: readonly string[];
  readonly price: number;
}

function config(urls: readonly string[], { synonyms, price }: Config): string {
  return `import { defineProxy } from "plugboard";
import { activeHealth, alias, providers, routingHeaders, staticTargets, stats, sticky } from "plugboard/plugins";
import { mine } from "./selector.ts";
const targets = ${JSON.stringify(urls)}.map((url, i) => ({ id: "t" + i, url, models: ["m"] }));
export default defineProxy({
  plugins: [
    staticTargets({ targets }),
    providers({ paid: { url: targets[0].url, models: ["m"], price: ${price}, weight: 0 } }),
    activeHealth({ path: "/health", interval: 60_000, fall: 1 }),
    alias({ chat: { targets: [{ model: "m" }], synonyms: ${JSON.stringify(synonyms)}, selector: sticky("header:x-session", mine()) } }),
    routingHeaders(),
    stats(),
  ],
});
`;
}

test("reloads of aliases, providers and selector code under load lose no request, and keep counters, health and sessions", async () => {
  const urls = await Promise.all([upstream(), upstream(true), upstream()]);
  const project = await createProject({
    "selector.ts": selector(0),
    "proxy.config.ts": config(urls, { synonyms: ["quick"], price: 1 }),
  });
  const { url, next } = await serve(["--watch"], { cwd: project.directory });
  const ask = async (model: string, session: string): Promise<string | null> => {
    const headers = { "content-type": "application/json", "x-session": session };
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify({ model }),
    });
    await response.text();
    return response.status === 200 ? response.headers.get("x-plugboard-target") : String(response.status);
  };
  const page = async (path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(url + path)).json()) as Record<string, unknown>;

  const stop = new AbortController();
  const answers: (string | null)[] = [];
  const load = Array.from({ length: 4 }, async (_, client) => {
    while (!stop.signal.aborted) answers.push(await ask("chat", `load-${client}`));
  });
  expect(await ask("chat", "ada")).toBe("t0");

  await project.write("selector.ts", selector(-1));
  await next("reloaded");
  expect(await ask("chat", "ada")).toBe("t0");
  expect(await ask("chat", "grace")).toBe("t2");

  await project.write("proxy.config.ts", config(urls, { synonyms: ["quick", "brisk"], price: 2 }));
  await next("reloaded");
  expect([await ask("brisk", "ada"), await ask("brisk", "grace")]).toEqual(["t0", "t2"]);
  expect((await page("/services")).services).toMatchObject([
    { id: "t0", healthy: true },
    { id: "t1", healthy: false, verdicts: [{ reporter: "active-health" }] },
    { id: "t2", healthy: true },
    { id: "paid" },
  ]);

  stop.abort();
  await Promise.all(load);
  expect(new Set(answers)).toEqual(new Set(["t0"]));
  const { requests, targets } = (await page("/stats")) as unknown as {
    requests: { total: number };
    targets: { id: string; inflight: number; requests: number }[];
  };
  expect(requests.total).toBeGreaterThanOrEqual(answers.length + 5);
  expect(targets.map(({ inflight }) => inflight)).toEqual([0, 0, 0, 0]);
  expect(targets.find(({ id }) => id === "t0")?.requests).toBeGreaterThanOrEqual(answers.length + 3);
});
