import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createProject, root, run } from "./_cli.ts";

test("tells its version", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  for (const flag of ["--version", "-v"])
    expect(await run([flag])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("shows commands and options with --help, without a color in a pipe", async () => {
  for (const args of [["--help"], ["-h"], ["help"]]) {
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    for (const word of ["serve", "init", "check", "explain", "test", "--port", "--target"])
      expect(stdout).toContain(word);
    expect(stdout).not.toContain("\u001B");
  }
  expect((await run(["explain", "--help"])).stdout).toContain("--model");
});

describe.concurrent("refuses with exit code 2 and a hint", () => {
  test.each([
    ["--prot 80", "unknown option --prot", "did you mean --port?"],
    ["serve --wtach", "unknown option --wtach", "did you mean --watch?"],
    ["-x", "unknown option -x", ""],
    ["chekc", "unknown command chekc", "did you mean plugboard check?"],
    ["frobnicate", "unknown command frobnicate", "the commands are serve, init, check, explain, test"],
    ["http://127.0.0.1:1", "unknown command http://127.0.0.1:1", "did you mean --target http://127.0.0.1:1?"],
    ["other.config.ts", "unknown command other.config.ts", "did you mean --config other.config.ts?"],
    ["serve other.config.ts", "unexpected argument other.config.ts", "did you mean --config other.config.ts?"],
    ["explain GET / extra", "unexpected argument extra", ""],
    ["--port 70000", "--port 70000 is no port", "a whole number from 0"],
    ["--port 80a", "--port 80a is no port", "a whole number from 0"],
    ["--port", "--port needs a value", ""],
    ["--port --json", "--port needs a value", ""],
    ["--port 1 --port 2", "--port is given 2 times", "give it once"],
    ["--watch=false", "--watch takes no value", ""],
    ["--no-watch", "unknown option --no-watch", ""],
    ["--target 127.0.0.1:1", "--target 127.0.0.1:1 is no URL", "did you mean --target http://127.0.0.1:1?"],
    ["--target http://a --config b.ts", "--target goes without a config", "drop --config"],
    ["--target http://a --watch", "--watch is for a config", "drop --watch"],
    ["--target http://a --select leest-connections", "--select leest-connections is no selector", "least-connections?"],
    ["--select random", "--select is for --target", "in the config"],
    ["explain", "what is to be explained?", "--model NAME"],
    ["explain models", '"models" is no path', "begins with a slash"],
    ["explain --model a --body b", "--model and --body both make a body", "drop one"],
    ["explain POST / --body none.json", "--body none.json cannot be read", ""],
    ["explain GET / --header nonsense", '--header "nonsense" is no header', "x-team: search"],
  ])("%s", async (line, message, fix) => {
    const { code, stdout, stderr } = await run(line.split(" "));
    expect(stderr).toContain(message);
    expect(stderr).toContain(fix);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

test("refuses a PORT that is none, by name", async () => {
  expect(await run([], { env: { PORT: "http" } })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("PORT http is no port"),
  });
});

test("tells of a missing config, and what to do about it", async () => {
  const { directory } = await createProject();
  for (const command of ["serve", "check"]) {
    const { code, stderr } = await run([command], { cwd: directory });
    expect(code).toBe(2);
    expect(stderr).toContain(`there is no proxy.config.ts in ${directory}`);
    expect(stderr).toContain("plugboard init");
  }
});

test("writes errors as one JSON object with --json", async () => {
  const { code, stderr } = await run(["--json", "--config", "none.ts"]);
  expect(code).toBe(2);
  expect(JSON.parse(stderr)).toMatchObject({
    event: "failed",
    problems: [{ file: "none.ts", message: "there is no such file" }],
  });
});
