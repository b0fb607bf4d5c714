import { describe, expect, test } from "vitest";
import { createProject, run } from "./_cli.ts";
import { config, runIn } from "./_route-tests.ts";

const good = `tests:
  - name: fast goes to the first
    request: { model: fast }
    expect:
      route: fast
      selector: in-order
      attempts: [gpu-1, gpu-2]
      model: qwen3-8b
      upstream: { method: POST, path: /v1/chat/completions, headers: { authorization: null } }
      share: { gpu-1: 100 }
  - request: { model: fast }
    targets: { gpu-1: { down: probe failed } }
    expect: { target: gpu-2, dropped: { gpu-1: /down .* probe failed/ } }
  - request: { model: nobody }
    expect: { status: 404, code: model_not_found }
`;

const bad = `tests:
  - request: { model: fast }
    expect: { target: gpu-2, model: llama }
`;

test("runs the table beside the config: exit code 0 when all is as expected", async () => {
  const project = await createProject({ "proxy.config.ts": config, "routes.yaml": good });
  expect(await runIn(project)).toEqual({
    code: 0,
    stderr: "",
    stdout: `routes.yaml  proxy.config.ts
  ✔ fast goes to the first
  ✔ model fast
  ✔ model nobody

3 passed, 0 failed
`,
  });
});

test("shows what differs, and a command to look further: exit code 1", async () => {
  const project = await createProject({ "proxy.config.ts": config, "routes.yml": bad });
  const { code, stdout, stderr } = await runIn(project);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  expect(stdout).toBe(`routes.yml  proxy.config.ts
  ✖ model fast  routes.yml:2
      target: expected gpu-2, got gpu-1
      model: expected llama, got qwen3-8b
      → plugboard explain --model fast

0 passed, 1 failed
`);
  const { stdout: explained } = await run(["explain", "--model", "fast"], { cwd: project.directory });
  expect(explained).toMatch(/attempts\n {2}1\. gpu-1/u);
});

test("tells a program the same in JSON", async () => {
  const project = await createProject({
    "proxy.config.ts": config,
    "routes.yaml": good,
    "routes.json": JSON.stringify(
      { tests: [{ name: "j", request: { model: "fast" }, expect: { target: "gpu-2" } }] },
      null,
      2,
    ),
  });
  const { code, stdout } = await runIn(project, ["--json"]);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toEqual({
    passed: 3,
    failed: 1,
    tests: [
      ...["fast goes to the first", "model fast", "model nobody"].map((name, index) => ({
        name,
        file: "routes.yaml",
        line: [2, 11, 14][index],
        ok: true,
        differences: [],
      })),
      {
        name: "j",
        file: "routes.json",
        line: 3,
        ok: false,
        differences: [{ path: "target", expected: "gpu-2", received: "gpu-1" }],
      },
    ],
  });
});

test("takes a table in TypeScript, with functions as expectations and imports of its own", async () => {
  const project = await createProject({
    "proxy.config.ts": config,
    "models.ts": `export const models: readonly string[] = ["fast", "nobody"];`,
    "routes.ts": `import assert from "node:assert/strict";
import { models } from "./models.ts";
export default {
  tests: models.map((model) => ({
    request: { model },
    expect: ({ attempts }) => assert.equal(attempts[0], "gpu-1"),
  })),
};
`,
  });
  const { code, stdout } = await runIn(project);
  expect(code).toBe(1);
  expect(stdout).toContain("✔ model fast");
  expect(stdout).toMatch(/✖ model nobody.*\n {6}expect: Expected values to be strictly equal/u);
});

describe("refuses with exit code 2, before anything is run", () => {
  test("the mistakes of all files at once, each with its place", async () => {
    const project = await createProject({
      "proxy.config.ts": config,
      "a.yaml": "tests:\n  - request: { model: fast }\n    expct: { target: gpu-1 }\n",
      "b.yaml": "tests:\n\t- x",
    });
    const { code, stdout, stderr } = await runIn(project, ["a.yaml", "b.yaml", "none.yaml"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toBe(`✖ 3 files have 4 problems

  a.yaml:2:5  tests.0
  expect is missing

    1 | tests:
  > 2 |   - request: { model: fast }
      |     ^
    3 |     expct: { target: gpu-1 }

  a.yaml:3:5  tests.0.expct
  unknown key expct
  → did you mean "expect"?

    2 |   - request: { model: fast }
  > 3 |     expct: { target: gpu-1 }
      |     ^
    4 |

  b.yaml:2:1
  Tabs are not allowed as indentation

    1 | tests:
  > 2 | \t- x
      | ^

  none.yaml
  there is no such file
`);
  });

  test("a target that the config does not have", async () => {
    const project = await createProject({
      "proxy.config.ts": config,
      "routes.yaml": `targets: { gpu-9: { down: true } }\n${good}`,
    });
    const { code, stdout, stderr } = await runIn(project);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("routes.yaml:1:12  targets.gpu-9\n  no target has the id gpu-9; did you mean gpu-1?");
  });

  test("a folder without a table, or without a config, in JSON too", async () => {
    const project = await createProject({ "proxy.config.ts": config });
    expect(await runIn(project)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no routes.yaml in this directory"),
    });
    const empty = await createProject({ "a.yaml": good });
    const { code, stderr } = await runIn(empty, ["a.yaml", "--json"]);
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({
      event: "failed",
      message: expect.stringContaining("no proxy.config.ts"),
    });
    expect((await runIn(project, ["--jsno"])).stderr).toContain("did you mean --json?");
  });
});
