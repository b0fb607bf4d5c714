import { expect, test } from "vitest";
import { loadConfig } from "../../../core/config/load.ts";
import { type ConfigLoadError, isConfigLoadError } from "../../../core/config/load-error.ts";
import { createProject, type Project } from "./_project.ts";

async function refusal({ write }: Project, name: string, text: string): Promise<ConfigLoadError> {
  const error = await loadConfig(await write(name, text)).catch((reason: unknown) => reason);
  if (!isConfigLoadError(error)) throw new Error("this was expected to fail", { cause: error });
  return error;
}

test.each([
  ["export const plugins = [];", "the config has no default export"],
  ["export default [];", "the config exports an array as default"],
  ["export default 8000;", "the config exports a number as default"],
])("refuses %s", async (text, message) => {
  const project = await createProject();
  for (const name of ["proxy.config.ts", "proxy.config.mjs"]) {
    expect(await refusal(project, name, text)).toMatchObject({
      message,
      fix: "export default defineProxy({ plugins: [...] })",
    });
  }
});

test("tells where a syntax error is, in the config or in what it imports", async () => {
  const project = await createProject();
  const broken = "export default {\n  port: 8000\n  plugins: [],\n};\n";
  for (const name of ["proxy.config.ts", "proxy.config.mjs"]) {
    const error = await refusal(project, name, broken);
    expect(error.message).toMatch(/^syntax error: Unexpected token, expected ","/);
    expect(error.place).toEqual({ file: project.path(name), line: 3, column: 3 });
  }
  const local = await project.write("local/broken.ts", broken);
  const error = await refusal(
    project,
    "other.config.ts",
    'import "./local/broken.ts";\nexport default { plugins: [] };',
  );
  expect(error.place).toEqual({ file: local, line: 3, column: 3 });
});

test("tells where the file threw", async () => {
  const project = await createProject();
  const text = 'const url: string = "nowhere";\n\nexport default {\n  plugins: [new URL(url)],\n};\n';
  const error = await refusal(project, "proxy.config.ts", text);
  expect(error).toMatchObject({
    message: "TypeError: Invalid URL",
    place: { file: project.path("proxy.config.ts"), line: 4 },
  });
  expect(error.cause).toBeInstanceOf(TypeError);
});

test("tells where a local plugin threw, rather than who called it", async () => {
  const project = await createProject();
  const local = await project.write(
    "local/plugin.ts",
    'export function plugin(): never {\n  throw new Error("no key");\n}\n',
  );
  const text = 'import { plugin } from "./local/plugin.ts";\n\nexport default { plugins: [plugin()] };\n';
  expect(await refusal(project, "proxy.config.ts", text)).toMatchObject({
    message: "no key",
    place: { file: local, line: 2 },
  });
});

test("takes a thrown value that is no error for what it is", async () => {
  const project = await createProject();
  const error = await refusal(project, "proxy.config.ts", 'throw "a string";');
  expect(error).toMatchObject({
    message: "the file threw a string while it was loaded",
    place: undefined,
  });
});

test("tells which import leads nowhere, and what to do", async () => {
  const project = await createProject();
  const file = await refusal(
    project,
    "proxy.config.ts",
    '\nimport { a } from "./nope.ts";\nexport default { plugins: [a] };',
  );
  expect(file).toMatchObject({
    message: 'cannot find the file "./nope.ts"',
    place: { line: 2, column: 19 },
  });
  const name = await refusal(
    project,
    "proxy.config.mts",
    'import { a } from "@no/such/thing";\nexport default { plugins: [a] };',
  );
  expect(name).toMatchObject({
    message: 'cannot find the package "@no/such/thing"',
    fix: "npm install @no/such",
  });
});

test("takes an import that does not exist for a misspelt one", async () => {
  const project = await createProject();
  const text =
    'import { roundRobbin } from "plugboard/plugins";\n\nexport default {\n  plugins: [roundRobbin()],\n};\n';
  const error = await refusal(project, "proxy.config.ts", text);
  expect(error.message).toContain('"roundRobbin"');
  expect(error).toMatchObject({
    fix: 'did you mean "roundRobin"?',
    place: { line: 4, column: 13 },
  });
});
