import { expect, test } from "vitest";
import { readTable } from "../../../core/route-tests/table.ts";
import { createProject } from "../config/_project.ts";
import { mistakesIn, tableOf } from "./_tables.ts";

const tests = [{ request: { model: "a" }, expect: { target: "b" } }];

test.each([
  ["routes.yaml", "tests:\n  - request: { model: a }\n    expect: { target: b }\n"],
  ["routes.yml", "\uFEFF%YAML 1.2\r\n---\r\ntests:\r\n- {request: {model: a}, expect: {target: b}}\r\n"],
  ["routes.json", JSON.stringify({ tests }, null, "\t")],
  [
    "routes.ts",
    `const model: string = "a";\nexport default { tests: [{ request: { model }, expect: { target: "b" } }] };`,
  ],
  ["routes.mjs", `export default ${JSON.stringify({ tests })};`],
])("reads %s", async (name, text) => {
  expect((await tableOf(name, text)).mistakes).toBeUndefined();
  const { write } = await createProject();
  const { table } = (await readTable(await write(name, text))) as { table: { tests: unknown } };
  expect(table.tests).toEqual({ tests });
});

test("an alias stands for what it names, and a mistake in it is shown where it is written", async () => {
  const text = "tests:\n  - { request: &r { model: a }, expect: &e { target: b } }\n  - { request: *r, expect: *e }\n";
  expect((await tableOf("a.yaml", text)).mistakes).toBeUndefined();
  expect(await mistakesIn("a.yaml", text.replace("target", "tarket"))).toEqual([
    expect.stringContaining("2:46 | tests.0.expect.tarket"),
    expect.stringContaining("2:46 | tests.1.expect.tarket"),
  ]);
});

const bomb = ["a0: &a0 [x]"];
for (let i = 1; i < 10; i++) bomb.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`);

test.each([
  ["an empty file", "a.yaml", "", ["the file says nothing | write tests: [...] into it"]],
  ["a file of comments", "a.yaml", "# tests\n", ["the file says nothing | write tests: [...] into it"]],
  ["tabs for indentation", "a.yaml", "tests:\n\t- a", ["2:1 | Tabs are not allowed as indentation"]],
  ["a key twice", "a.yaml", "tests: []\ntests: []", ["2:1 | Map keys must be unique"]],
  ["a key twice in JSON", "a.json", '{\n "tests": [],\n "tests": []}', ["3:2 | Map keys must be unique"]],
  ["two documents", "a.yaml", "tests: []\n---\ntests: []", [expect.stringContaining("2:1 | Source contains multiple")]],
  ["a key that is no text", "a.yaml", "? [a]\n: b", [expect.stringContaining("all keys must be strings")]],
  ["a tag", "a.yaml", 'tests: !!js/function "a"', [expect.stringContaining("1:8 | Unresolved tag")]],
  ["a known tag", "a.yaml", "tests: !!binary aGk=", [expect.stringContaining("1:8 | Unresolved tag")]],
  ["an alias of nothing", "a.yaml", "tests: *t", [expect.stringContaining("1:8 | Unresolved alias")]],
  ["a bomb of aliases", "a.yaml", bomb.join("\n"), [expect.stringContaining("Excessive alias count")]],
  ["depth without end", "a.yaml", "[".repeat(50_000), [expect.stringContaining("Maximum call stack size")]],
  ["broken JSON", "a.json", '{"tests": [}', [expect.stringMatching(/^1:12 \| this is no JSON: /)]],
  ["YAML that is named JSON", "a.json", "tests: []", [expect.stringMatching(/this is no JSON: .* \| name it \.yaml/)]],
  ["an empty JSON file", "a.json", "", [expect.stringContaining("this is no JSON")]],
  ["broken TypeScript", "a.ts", "export const a = ;", [expect.stringContaining("1:18 | syntax error")]],
  ["a script that throws", "a.mjs", "throw new Error('boo');", [expect.stringContaining("boo")]],
  [
    "a script without a table",
    "a.ts",
    "export const tests = [];",
    ["the file has no default export | export default defineRouteTests({ tests: [...] })"],
  ],
  [
    "a script with a wrong table",
    "a.ts",
    "export default () => 5;",
    [expect.stringContaining("Expected a table of tests")],
  ],
  ["an unknown kind", "a.txt", "x", [expect.stringContaining("cannot be .txt")]],
  ["a misspelt kind", "a.ymal", "x", [expect.stringContaining("did you mean .yaml?")]],
])("refuses %s", async (_, name, text, found) => {
  expect(await mistakesIn(name, text)).toEqual(found);
});

test("shows the place of a mistake in a script, with and without defineRouteTests", async () => {
  const table = `{
  tests: [{ request: { model: "a" }, expect: { tarket: "b" } }],
}`;
  const expected = ['3:48 | tests.0.expect.tarket | unknown key tarket | did you mean "target"?'];
  expect(await mistakesIn("a.ts", `// A table.\nexport default ${table};`)).toEqual(expected);
  const define = "const defineRouteTests = (tests: object) => tests;";
  expect(await mistakesIn("a.ts", `${define}\nexport default defineRouteTests(${table});`)).toEqual(expected);
});

test("a file that is not there, or is none, is told", async () => {
  const { directory, path } = await createProject({ "a.yaml/b": "" });
  expect(await readTable(path("none.yaml"))).toMatchObject({ mistakes: [{ message: "there is no such file" }] });
  expect(await readTable(path("none.ts"))).toMatchObject({ mistakes: [{ message: "there is no such file" }] });
  expect(await readTable(`${directory}/a.yaml`)).toMatchObject({ mistakes: [{ message: "this is not a file" }] });
});
