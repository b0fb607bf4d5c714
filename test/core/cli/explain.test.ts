import { expect, test } from "vitest";
import { createProject, run } from "./_cli.ts";

const config = `import { alias, mockBackend, model, roundRobin } from "plugboard/plugins";
export default {
  plugins: [
    mockBackend({ backends: [{ id: "one", models: ["qwen3-8b"] }, { id: "two", models: ["llama"] }] }),
    roundRobin(),
    alias({ fast: { targets: [{ model: "qwen3-8b" }] } }),
    model(),
  ],
};
`;

async function explain(args: readonly string[], input?: string): Promise<string> {
  const { directory } = await createProject({
    "proxy.config.ts": config,
    "body.json": '{"model":"llama","input":"hi"}',
  });
  const { code, stdout, stderr } = await run(["explain", ...args], { cwd: directory, input });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

test("shows what a chat request for a model would do", async () => {
  const shown = await explain(["--model", "fast"]);
  expect(shown).toContain("POST /v1/chat/completions  model fast");
  expect(shown).toMatch(/route\n {2}fast {2}pool default {2}selector round-robin/u);
  expect(shown).toMatch(/✔ .*one/u);
  expect(shown).toMatch(/✖ .*two .*does not serve 'qwen3-8b'/u);
  expect(shown).toMatch(/attempts\n {2}1\. one/u);
  expect(shown).toContain('{"model":"qwen3-8b","messages":[{"role":"user","content":"hi"}]}');
  expect(shown).toMatch(/inspect +alias → model/u);
});

test("explains a request of its own method, path, body and headers", async () => {
  const json = await explain([
    "POST",
    "/v1/embeddings?a=1",
    "--body",
    "body.json",
    "-H",
    "x-team: search",
    "-H",
    "authorization: Bearer abc",
    "--json",
  ]);
  expect(JSON.parse(json)).toMatchObject({
    request: { method: "POST", path: "/v1/embeddings?a=1", model: "llama" },
    attempts: ["two"],
    upstream: { headers: { "x-team": "search", authorization: "***" }, body: '{"model":"llama","input":"hi"}' },
  });
});

test("reads a body from standard input, and takes a path alone for a GET or a POST", async () => {
  const posted = JSON.parse(
    await explain(["/v1/chat/completions", "--body", "-", "--json"], '{"model":"llama"}'),
  ) as unknown;
  expect(posted).toMatchObject({ request: { method: "POST", model: "llama" } });
  const got = JSON.parse(await explain(["/v1/things", "--json"])) as unknown;
  expect(got).toMatchObject({ request: { method: "GET", path: "/v1/things" } });
});

test("shows the answer where there is no way to an upstream", async () => {
  const shown = await explain(["--model", "unheard-of"]);
  expect(shown).toMatch(/answer\n {2}404 model_not_found/u);
  expect(shown).not.toContain("upstream gets");
});
