import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { fileTargets } from "plugboard/plugins/discovery/file-targets";
import { discoveryOf, fakeSink } from "plugboard/testing";
import { checkConfig } from "../../../core/check.ts";
import { explainConfig } from "../../../core/explain/explain.ts";
import { directory, fileOf } from "./target-files.ts";

describe("a start is refused, with all that is wrong, for", () => {
  const refused: readonly (readonly [what: string, extension: string, text: string, says: string])[] = [
    ["an empty file", "json", "", ": the file is empty; write [] into it if there are no targets"],
    ["a file of white space", "toml", "\n \n", ": the file is empty"],
    ["a file of comments", "yaml", "# later\n", ": Expected a list of targets or { targets: [...] }, received null"],
    ["a comma too many", "json", '[\n  "http://a",\n]', ":3:1: no valid JSON, expected value here"],
    ["a comma too few", "json", '[{"url": "http://a" "weight": 1}]', ":1:21: no valid JSON, expected comma or } here"],
    ["an end too early", "json", '{"targets": [', ":1:14: no valid JSON, expected value or ] here"],
    ["quotes of one stroke", "json", "{'targets': []}", ":1:2: no valid JSON, expected key or } here"],
    ["more after the end", "json", "[] []", ":1:4: no valid JSON, expected end of the file here"],
    [
      "a file that is nested too deeply",
      "json",
      "[".repeat(100_000),
      ":1:100001: no valid JSON, expected value or ] here",
    ],
    ["YAML of a wrong indent", "yaml", "targets:\n  - http://a\n - http://b", ":3:"],
    ["a tag", "yaml", "- !!js/function 'x'", ":1:3: Unresolved tag"],
    ["a tag of one's own", "yaml", "- !shell 'rm'", ":1:3: Unresolved tag"],
    ["a key that is given twice", "yaml", "- url: http://a\n  url: http://b", ":2:3: Map keys must be unique"],
    ["TOML that is none", "toml", "targets = [", ":1:11: no valid TOML: unfinished array"],
    ["TOML of another table", "toml", "[[target]]\nurl = 'http://a'", ": Expected a list of targets"],
    ["a list of another name", "json", '{"backends": []}', ":1:1: Expected a list of targets or { targets: [...] }"],
    ["a word", "json", '"http://a"', ":1:1: Expected a list of targets"],
    ["a key beside the list", "json", '{"targets": [], "pool": "a"}', ":1:17: pool: unknown key"],
    ["an id given twice", "json", '["http://a", "http://a"]', ':1:14: targets.1: The id "http://a" is taken'],
    ["a URL with credentials", "yaml", "- http://u:p@a", ":1:3: targets.0: Expected a URL without credentials"],
    [
      "a weight that is no number",
      "yaml",
      "- url: http://a\n  weight: .inf",
      ":2:3: targets.0.weight: Expected 1000000",
    ],
    ["a file over 1 MiB", "json", `[${" ".repeat(1_048_576)}]`, ": the file has 1048578 bytes; 1048576 is the most"],
  ];
  for (const [what, extension, text, says] of refused) {
    test(`${what} (${extension})`, async () => {
      const path = await fileOf(text, extension);
      await expect(checkConfig({ plugins: [fileTargets({ path })] })).rejects.toThrow(`${basename(path)}${says}`);
    });
  }

  test("more faults than anybody reads", async () => {
    const path = await fileOf(JSON.stringify(Array.from({ length: 25 }, () => 7)));
    const says = /^(.*: targets\.\d+: .*\n){20}plugins\[0\] file-targets: path: \d+\.json: and 5 more$/;
    await expect(checkConfig({ plugins: [fileTargets({ path })] })).rejects.toThrow(says);
  });

  test("YAML that is nested too deeply", async () => {
    const path = await fileOf("[".repeat(100_000), "yaml");
    await expect(checkConfig({ plugins: [fileTargets({ path })] })).rejects.toThrow("the file is nested too deeply");
  });

  test("what is no UTF-8, and what is no file", async () => {
    const path = await fileOf("", "json");
    await writeFile(path, Buffer.from([0x5b, 0xff, 0x5d]));
    await expect(checkConfig({ plugins: [fileTargets({ path })] })).rejects.toThrow("the file is not UTF-8");
    await mkdir(join(directory, "folder.json"));
    const folder = fileTargets({ path: join(directory, "folder.json") });
    await expect(checkConfig({ plugins: [folder] })).rejects.toThrow("folder.json: this is not a file");
  });

  test("aliases that would fill the memory", async () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
    for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg"].map((pair) => pair.split(""))) {
      bomb.push(`${to}: &${to} [${Array.from({ length: 10 }, () => `*${from}`).join(", ")}]`);
    }
    const path = await fileOf(bomb.join("\n"), "yaml");
    await expect(checkConfig({ plugins: [fileTargets({ path })] })).rejects.toThrow("Excessive alias count");
  });

  test("several things, together with what is wrong in the rest of the config", async () => {
    const path = await fileOf('[{"url": "a", "weight": -1}, 7]');
    const other = await fileOf("");
    const message = await checkConfig({ plugins: [fileTargets({ path }), fileTargets({ path: other })] }).then(
      () => "",
      (error: Error) => error.message,
    );
    expect(
      message.split("\n").map((line) =>
        line
          .replace(/: \d+\.json/, "")
          .split(" ")
          .slice(0, 4)
          .join(" "),
      ),
    ).toEqual([
      "plugins[0] file-targets: path:1:3: targets.0.url:",
      "plugins[0] file-targets: path:1:15: targets.0.weight:",
      "plugins[0] file-targets: path:1:30: targets.1:",
      "plugins[1] file-targets: path: the",
    ]);
  });
});

test("what looks like a secret is in no message", async () => {
  const texts: readonly (readonly [string, string])[] = [
    ["json", '[{"url": "http://a", "meta": {"apiKey": sk-verysecretkey}}]'],
    ["json", '[{"url": "http://a", "labels": {"apiKey": ["sk-verysecretkey"]}}]'],
    ["json", '["http://user:sk-verysecretkey@a"]'],
    ["yaml", '- url: http://a\n  meta: { apiKey: "sk-verysecretkey" "sk-verysecretkey" }'],
    ["yaml", "- url: http://a\n  sk-verysecretkey"],
    ["toml", "apiKey = sk-verysecretkey"],
  ];
  for (const [extension, text] of texts) {
    const plugins = [fileTargets({ path: await fileOf(text, extension) })];
    const says = (error: unknown): boolean =>
      error instanceof Error && error.message.includes("path: ") && !error.message.includes("verysecret");
    await expect(checkConfig({ plugins })).rejects.toSatisfy(says);
  }
});

test("keys that would change an object's prototype do no harm", async () => {
  const inner = '"meta": {"__proto__": {"x": 1}, "a": {"__proto__": {"x": 1}}}, "labels": {"__proto__": "x"}';
  const sink = fakeSink();
  const path = await fileOf(`[{"url": "http://a", ${inner}}]`);
  await (await discoveryOf(fileTargets({ path }))).start(sink, new AbortController().signal);
  const { meta = {}, labels = {} } = sink.targets.get("http://a") ?? {};
  for (const value of [meta, meta["a"], labels, {}]) expect((value as { x?: number }).x).toBeUndefined();
  expect([Object.keys(meta), Object.keys(labels)]).toEqual([["a"], []]);

  const other = fileTargets({ path: await fileOf('[{"url": "http://a", "__proto__": {"weight": 7}}]') });
  await expect(checkConfig({ plugins: [other] })).rejects.toThrow("targets.0.__proto__: unknown key");
});

test("a byte order mark is not part of the text", async () => {
  const path = await fileOf(`\uFEFF["http://127.0.0.1:1"]`);
  await checkConfig({ plugins: [fileTargets({ path })] });
});

test("explain knows the targets of the file, and watches nothing", async () => {
  const path = await fileOf('["http://127.0.0.1:1", "http://127.0.0.1:2"]');
  const found = await explainConfig({ plugins: [fileTargets({ path })] }, {});
  expect(found.candidates.map(({ id }) => id)).toEqual(["http://127.0.0.1:1", "http://127.0.0.1:2"]);
});
