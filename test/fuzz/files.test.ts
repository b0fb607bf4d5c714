import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { readBabysitToml } from "plugboard/plugins/fleet/_babysit-toml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hideSecrets } from "../../core/config/hide-secrets.ts";
import { locate } from "../../core/config/frame.ts";
import { readYaml } from "../../core/route-tests/yaml.ts";
import { findJsonFault } from "../../plugins/discovery/_json-fault.ts";
import { readTargetFile } from "../../plugins/discovery/_target-file.ts";
import { damaged, fuzz } from "./fuzz.ts";

const secret = "canary-0123456789";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plugboard-fuzz-"));
});
afterAll(() => rm(folder, { recursive: true }));

const files = {
  json: `{"targets":[{"url":"http://127.0.0.1:1","weight":2,"models":["a"],"labels":{"x":"y"},"enabled":true}]}`,
  yaml: `targets:\n  - url: http://127.0.0.1:1\n    weight: 2 # more\n    models: [a, "b"]\n    labels: &l { x: y }\n  - *l\n`,
  toml: `[[targets]]\nurl = "http://127.0.0.1:1"\nweight = 2\nmodels = ["a", 'b']\nlabels = { x = "y" }\n`,
};
const deep = "[".repeat(200);
const pieces = {
  json: [...'"\\{}[],:\0\ufeff '.split(""), "1e999", "null", '"__proto__":', "//", deep],
  yaml: [
    ..."\"'{}[]#\n\t\0\ufeff".split(""),
    ..."- @: @  @&a @*a@!!js/function @!<x>@| @>-@---\n@...@%YAML 9@<<: @? @__proto__: @.inf@0x1f@2001-01-01".split(
      "@",
    ),
    deep,
  ],
  toml: [
    ..."[]=\"'{},.#\n\r\\\0\ufeff".split(""),
    ..."[[@]]@\"\"\"@'''@\\u12@inf@nan@0x@1979-05-27@a.b.c@__proto__@9999999999999999999999".split("@"),
    deep,
  ],
};

describe.each(["json", "yaml", "toml"] as const)("a damaged %s file of targets", (kind) => {
  test("is read, or refused in words that have no place of this program in them", async () => {
    const file = join(folder, `targets.${kind}`);
    await fuzz(
      damaged(fc.constant(files[kind]), pieces[kind], 4),
      async (text) => {
        await writeFile(file, text);
        const read = await readTargetFile(file);
        if (read.faults === undefined) return expect(Array.isArray(read.targets)).toBe(true);
        expect(read.faults.length).toBeGreaterThan(0);
        for (const fault of read.faults) {
          expect(fault).toMatch(new RegExp(`^targets\\.${kind}(?::\\d+:\\d+)?: .`));
          expect(fault).not.toMatch(/\n\s+at |is not a function|undefined \(reading|Maximum call stack/);
        }
      },
      200,
    );
  });

  test("is refused when it is cut anywhere within a value, or what is left is good", async () => {
    const file = join(folder, `cut.${kind}`);
    for (let end = 0; end < files[kind].length; end++) {
      await writeFile(file, files[kind].slice(0, end));
      const read = await readTargetFile(file);
      for (const { url } of read.faults === undefined ? read.targets : []) expect(URL.canParse(url)).toBe(true);
    }
  });

  test("is refused or read when its bytes are no text", async () => {
    const file = join(folder, `bytes.${kind}`);
    await fuzz(
      fc.uint8Array({ maxLength: 40 }),
      async (bytes) => {
        await writeFile(file, bytes);
        await readTargetFile(file);
      },
      200,
    );
  });
});

const babysitter = `name = "a"
host = "127.0.0.1"
port = 8100
registry_url = "http://127.0.0.1:18000"
[babysitter]
max_restarts = 3
[backend]
type = "command"
command = "serve"
args = ["--key", "${secret}"]
[backend.env]
API_KEY = "${secret}"
`;

test("a damaged file of a babysitter is read, or refused without a value of its environment", () =>
  fuzz(
    damaged(fc.constant(babysitter), pieces.toml, 3).filter((text) => text.includes(`"--key", "${secret}"`)),
    (text) => {
      const { problems, backends } = readBabysitToml(text, { file: "babysit.toml" });
      expect(problems.length > 0).toBe(backends.length === 0);
      expect(JSON.stringify(problems)).not.toContain(secret);
    },
    800,
  ));

test("YAML is read, or refused with places that are there", () =>
  fuzz(
    fc.oneof(damaged(fc.constant(files.yaml), pieces.yaml, 5), fc.string({ unit: "binary", maxLength: 40 })),
    (text) => {
      const source = readYaml(text);
      const lines = text.split("\n").length;
      for (const { message, position } of source.faults ?? []) {
        expect(message).not.toBe("");
        if (position !== undefined) expect(position.line >= 1 && position.line <= lines).toBe(true);
      }
    },
    800,
  ));

const config = `import { providers } from "plugboard/plugins";
const apiKey = "${secret}";
export default { plugins: [providers({ p: { auth: { key: "${secret}" }, headers: { "x-a": '${secret}' } } })] };
`;
const signs = ["{", "}", "[", "]", "(", ")", ":", ",", "=", "/", "//", "/*", "`", "${", "\n", "\\", "x"];

test("whatever a config looks like, each character keeps its place when secrets are hidden, and places are found", () =>
  fuzz(
    damaged(fc.constant(config), [...signs, '"', "'"], 4),
    (text) => {
      const hidden = hideSecrets(text);
      expect(hidden.length).toBe(text.length);
      expect(hidden.split("").every((char, at) => char === text[at] || char === "*")).toBe(true);
      const place = locate(text, "providers", "p.auth.key");
      if (place !== undefined) expect(place.line >= 1 && place.line <= text.split("\n").length).toBe(true);
    },
    800,
  ));

// What was found here.

test("a text that is not closed, as in a file that is being written, takes no longer than one that is", () => {
  expect(findJsonFault(`["${"a".repeat(30)}`)).toEqual({ offset: 1, expected: "value or ]" });
});

test.each(["\ufeff", "\u00a0", "\u2028", "\v"])("%j is no white space of JSON", (space) => {
  expect(findJsonFault(`${space}[]`)).toEqual({ offset: 0, expected: "value" });
});
