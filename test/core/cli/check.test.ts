import { expect, test } from "vitest";
import { createProject, root, run } from "./_cli.ts";

test("finds the config of this package valid", async () => {
  const { code, stdout, stderr } = await run(["check"], { cwd: root });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("proxy.config.ts is valid: 11 plugins");
});

test("shows which plugin runs after which", async () => {
  const { directory } = await createProject({
    "proxy.config.ts": `import { definePlugin } from "plugboard";
      const first = definePlugin({ name: "first", setup: () => ({ request: { handler() {}, after: ["second"] } }) });
      const second = definePlugin({ name: "second", setup: () => ({ request() {}, admit() {} }) });
      export default { plugins: [first(), second()] };`,
  });
  const { stdout } = await run(["check"], { cwd: directory });
  expect(stdout).toMatch(/request +second → first\n +admit +second/u);
});

test("shows each problem with its place, the value and the fix", async () => {
  const { directory } = await createProject({
    "proxy.config.ts": `import { alias, mockBackend, model, roundRobin } from "plugboard/plugins";

export default {
  plugins: [
    mockBackend(),
    roundRobin(),
    alias({
      fast: { targets: [{ modle: "a", model: "a" }] },
      "gpt-4.1": { targets: [{ model: 5 }] },
    }),
    model({ unknown: 405 }),
  ],
};
`,
  });
  const { code, stdout, stderr } = await run(["check"], { cwd: directory });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toBe(`✖ proxy.config.ts has 3 problems

  proxy.config.ts:8:27  plugins[2] alias: fast.targets.0.modle
  unknown option, received 'a'
  → did you mean "model"?

    7 |     alias({
  > 8 |       fast: { targets: [{ modle: "a", model: "a" }] },
      |                           ^
    9 |       "gpt-4.1": { targets: [{ model: 5 }] },

  proxy.config.ts:9:32  plugins[2] alias: gpt-4.1.targets.0.model
  Invalid type: Expected string, received 5

     8 |       fast: { targets: [{ modle: "a", model: "a" }] },
  >  9 |       "gpt-4.1": { targets: [{ model: 5 }] },
       |                                ^
    10 |     }),

  proxy.config.ts:11:13  plugins[3] model: unknown
  Expected 404 or 503, received 405

    10 |     }),
  > 11 |     model({ unknown: 405 }),
       |             ^
    12 |   ],
`);
});

test("finds the problem in the file that calls the plugin, at the right one of two calls", async () => {
  const { directory } = await createProject({
    "backends.ts": `import { mockBackend } from "plugboard/plugins";
export const backends = [
  mockBackend({ pool: "a" }),
  mockBackend({ pool: "b", backends: [{ latency: -1 }] }),
];
`,
    "proxy.config.ts": `import { backends } from "./backends.ts";
export default { plugins: [backends] };
`,
  });
  const { stderr } = await run(["check"], { cwd: directory });
  expect(stderr).toContain("backends.ts:4:41  plugins[1] mock-backend: backends.0.latency");
});

test("shows what is not a plugin, and a plugin that was not called", async () => {
  const { directory } = await createProject({
    "proxy.config.ts":
      'import { roundRobin } from "plugboard/plugins";\nexport default {\n  plugins: [\n    roundRobin,\n  ],\n};\n',
  });
  const { code, stderr } = await run(["check"], { cwd: directory });
  expect(code).toBe(2);
  expect(stderr).toContain("proxy.config.ts:4:5");
});

test("opens nothing: a config whose backends cannot be had is valid", async () => {
  const { directory } = await createProject({
    "proxy.config.ts": `import { definePlugin } from "plugboard";
      const eager = definePlugin({ name: "eager", setup(proxy) { proxy.onReady(() => { throw new Error("started"); }); } });
      export default ({ mode }) => ({ plugins: [mode === "check" && eager()] });`,
  });
  expect(await run(["check"], { cwd: directory })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("1 plugin, eager"),
  });
});

test("names the file of a config that lies elsewhere", async () => {
  const { directory, path } = await createProject({ "deep/other.config.ts": "export default { plugins: [ };" });
  const { code, stderr } = await run(["check", "--config", "deep/other.config.ts"], { cwd: directory });
  expect(code).toBe(2);
  expect(stderr).toContain("deep/other.config.ts:1:29");
  expect((await run(["check", "-c", path("deep/other.config.ts")], { cwd: root })).stderr).toContain(
    path("deep/other.config.ts"),
  );
});
