import { expect, test } from "vitest";
import { frame, locate } from "../../../core/config/frame.ts";

/** The text at the place that was found, to the end of its line. */
function textAt(source: string, plugin: string, path: string, nth?: number): string | undefined {
  const place = locate(source, plugin, path, nth);
  return place && source.split("\n")[place.line - 1]?.slice(place.column - 1);
}

const config = `import { alias, staticTargets, roundRobin } from "plugboard/plugins";
// alias({ fast: "in a comment" })
const text = "alias({ fast: 1 })";
export default defineProxy({
  plugins: [
    staticTargets({ targets: [{ url: "http://127.0.0.1:1" }, { url: "http://127.0.0.1:2", weight: -1 }] }),
    roundRobin(),
    alias({
      fast: { targets: [{ model: 5 }], selector: "a" },
      "gpt-4.1": { targets: [{ model: "gpt-4.1-mini" }] },
      "gpt-4": { "1": { targets: [] } },
      pick: (targets) => targets[{ fast: 0 }.fast],
      smart, // shorthand
      ...rest,
      late: \`a \${{ b: \`}\` }} c\`,
      last: /[}"]/.test("x"),
    }),
  ],
});
`;

test.each([
  ["static-targets", "targets", "targets: [{"],
  ["static-targets", "targets.0.url", 'url: "http://127.0.0.1:1"'],
  ["static-targets", "targets.1.weight", "weight: -1"],
  ["static-targets", "targets.1", '{ url: "http://127.0.0.1:2"'],
  ["alias", "fast.targets.0.model", "model: 5"],
  ["alias", "fast.selector", 'selector: "a"'],
  ["alias", "smart", "smart, //"],
  ["alias", "late", "late: `a"],
  ["alias", "last", "last: /"],
])("finds %s at %s", (plugin, path, text) => {
  expect(textAt(config, plugin, path)?.startsWith(text)).toBe(true);
});

test("takes dots in a key for dots, not for steps", () => {
  expect(textAt(config, "alias", "gpt-4.1.targets.0.model")).toContain('model: "gpt-4.1-mini"');
});

test("shows what is missing at the last step that is there", () => {
  expect(textAt(config, "alias", "fast.targets.3.model")).toContain("targets: [{ model: 5 }]");
  expect(textAt(config, "alias", "slow.targets")).toBe("alias({");
  expect(textAt(config, "round-robin", "weights")).toBe("roundRobin(),");
});

test("shows the plugin as a whole at its call", () => {
  expect(locate(config, "alias", "")).toEqual({ line: 8, column: 5 });
});

test("finds the options of the config itself, with defineProxy or without", () => {
  expect(textAt(config, "", "plugins.1")).toBe("roundRobin(),");
  expect(textAt("export default {\n  port: 1,\n};", "", "port")).toBe("port: 1,");
  expect(textAt("const config = {\n  port: 1,\n};\nexport default config;", "", "port")).toBe("port: 1,");
  expect(locate("export default {};", "", "port")).toEqual({ line: 1, column: 1 });
});

test("knows nothing of a plugin that is not written out", () => {
  expect(locate(config, "least-connections", "")).toBeUndefined();
  expect(locate("", "alias", "a.b")).toBeUndefined();
});

test("tells calls of one factory apart", () => {
  const twice = "[a({ port: 1 }),\n a({ port: 2 })]";
  expect(locate(twice, "a", "port", 0)).toEqual({ line: 1, column: 6 });
  expect(locate(twice, "a", "port", 1)).toEqual({ line: 2, column: 6 });
});

test("follows an argument that is the name of a constant", () => {
  const named = "const routes: Record<string, () => Route> = {\n  fast: { targets: [] },\n};\nalias(routes);\n";
  expect(locate(named, "alias", "fast.targets")).toEqual({ line: 2, column: 11 });
  expect(textAt("alias(routes)", "alias", "fast.targets")).toBe("alias(routes)");
});

test("finds a factory that is called through its module", () => {
  expect(locate("plugins.alias({ fast: 1 })", "alias", "fast")).toEqual({ line: 1, column: 17 });
});

test("takes a division for a division", () => {
  expect(locate('alias({ a: x / 2, b: ")" / y / 1 })', "alias", "b")).toEqual({
    line: 1,
    column: 19,
  });
});

test("survives a source that ends in the middle", () => {
  for (let end = 0; end < config.length; end++) locate(config.slice(0, end), "alias", "fast.targets.0.model");
});

test("frames a line between its neighbours, with a caret under the column", () => {
  expect(frame(config, 9, 26)).toBe(
    [
      "   8 |     alias({",
      '>  9 |       fast: { targets: [{ model: 5 }], selector: "a" },',
      "     |                          ^",
      '  10 |       "gpt-4.1": { targets: [{ model: "gpt-4.1-mini" }] },',
    ].join("\n"),
  );
});

test("frames the first and the last line with one neighbour", () => {
  expect(frame("a\nb", 1, 1)).toBe("> 1 | a\n    | ^\n  2 | b");
  expect(frame("a\nb", 2, 2)).toBe("  1 | a\n> 2 | b\n    |  ^");
});

test("keeps tabs, so that the caret stays under its column", () => {
  expect(frame("\t\tport: x", 1, 9)).toBe("> 1 | \t\tport: x\n    | \t\t      ^");
});

test("shows the part of a long line that the caret points into", () => {
  const [, line, caret] = frame(`a\n${"x".repeat(500)}HERE${"y".repeat(500)}`, 2, 501).split("\n");
  expect(line?.length).toBeLessThan(120);
  expect(line?.slice(caret?.indexOf("^")).startsWith("HERE")).toBe(true);
});
