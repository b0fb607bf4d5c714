import { expect, test } from "vitest";
import { createProject } from "./_cli.ts";
import { config, runIn } from "./_route-tests.ts";

const elsewhere = config.replaceAll("gpu-1", "tpu-1");
const asks = (id: string, line = ""): string =>
  `${line}\ntests: [{ request: { model: fast }, expect: { target: ${id} } }]\n`;

test("the config is the table's own, else that of --config, else the one beside the table, else the one here", async () => {
  const project = await createProject({
    "proxy.config.ts": config,
    "b/proxy.config.ts": elsewhere,
    "b/routes.yaml": asks("tpu-1"),
    "b/own.yaml": asks("gpu-1", "config: ../proxy.config.ts"),
    "c/routes.yaml": asks("gpu-1"),
    "c/other.yaml": asks("tpu-1"),
  });
  const all = await runIn(project, ["b/routes.yaml", "b/own.yaml", "c/routes.yaml"]);
  expect(all).toMatchObject({ code: 0, stdout: expect.stringContaining("b/own.yaml  proxy.config.ts\n") });
  expect(all.stdout).toMatch(/3 passed, 0 failed\n$/u);
  const asked = await runIn(project, ["-c", "b/proxy.config.ts", "c/other.yaml", "b/own.yaml"]);
  expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining("c/other.yaml  b/proxy.config.ts\n") });
  expect(await runIn(project, ["--config", "b/proxy.config.ts"])).toMatchObject({ code: 0 });
  const failed = await runIn(project, ["-c", "b/proxy.config.ts", "c/routes.yaml"]);
  expect(failed.stdout).toContain("→ plugboard explain --model fast --config b/proxy.config.ts");
});

test("the config that is wrong is told as ever, with exit code 2", async () => {
  const project = await createProject({
    "proxy.config.ts": config.replace("inOrder()", "inOrder({ what: 1 })"),
    "routes.yaml": asks("gpu-1"),
  });
  const { code, stdout, stderr } = await runIn(project);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("proxy.config.ts has one problem");
});

test("the config needs no secrets here, and says nothing of itself", async () => {
  const project = await createProject({
    "proxy.config.ts": `import { definePlugin, env } from "plugboard";
const key = \`Bearer \${env("PLUGBOARD_NO_SUCH_KEY")}\`;
const noisy = definePlugin({
name: "noisy",
setup(proxy) {
  proxy.log.warn("a warning");
  return {
    resolve: () => ({ status: 204 }),
    upstreamRequest(x) { x.upstream.headers.authorization = key; },
  };
},
});
export default { plugins: [noisy()] };
`,
    "routes.yaml": "tests: [{ request: { path: / }, expect: { status: 204 } }]",
  });
  expect(await runIn(project)).toMatchObject({ code: 0, stderr: "" });
});
