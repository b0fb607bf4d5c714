import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { TargetSpec } from "plugboard";
import { fileTargets } from "plugboard/plugins/discovery/file-targets";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { testDiscovery, testPlugin } from "plugboard/testing";
import { eventually } from "../../e2e/eventually.ts";
import { idsOf, openConfig, openProxy } from "./opened.ts";
import { directory, fileOf } from "./target-files.ts";

const full: TargetSpec = {
  id: "gpu-1",
  url: "http://127.0.0.1:8001/v1",
  weight: 2.5,
  models: ["qwen3-8b"],
  labels: { zone: "a" },
  meta: { price: 0.2 },
  addresses: ["loopback"],
};
const expected: readonly TargetSpec[] = [full, { url: "http://127.0.0.1:8002" }];
const json = JSON.stringify([full, "http://127.0.0.1:8002"]);

const yaml = `# by hand
targets:
  - id: gpu-1
    url: http://127.0.0.1:8001/v1
    weight: 2.5
    models: [qwen3-8b]
    labels: { zone: a }
    meta: { price: 0.2 }
    addresses: [loopback]
  - http://127.0.0.1:8002
`;

const toml = `
[[targets]]
id = "gpu-1"
url = "http://127.0.0.1:8001/v1"
weight = 2.5
models = ["qwen3-8b"]
labels = { zone = "a" }
meta.price = 0.2
addresses = ["loopback"]

[[targets]]
url = "http://127.0.0.1:8002"
`;

describe.each([
  ["json", json, '["http://127.0.0.1:8003"]', '[{"url": "http://127.0.0.1:80'],
  ["yaml", yaml, "- url: http://127.0.0.1:8003", "- url: 'http://127.0.0.1:80"],
  ["toml", toml, 'targets = ["http://127.0.0.1:8003"]', 'targets = [{ url = "http://127.0.0.1:80'],
])("%s", (extension, text, other, half) => {
  let file = "";
  testDiscovery({
    test,
    async create() {
      file = await fileOf(text, extension);
      return fileTargets({ path: file, interval: 20 });
    },
    expected,
    async change() {
      await writeFile(file, other);
      return { expected: [{ url: "http://127.0.0.1:8003" }] };
    },
    empty: () => writeFile(file, extension === "toml" ? "targets = []" : "[]"),
    breakSource: () => writeFile(file, half),
    mend: () => writeFile(file, text),
  });
});

describe("a file that is gone, and comes back", () => {
  let file = "";
  testDiscovery({
    test,
    async create() {
      file = await fileOf(json);
      return fileTargets({ path: file, interval: 20, pool: "other" });
    },
    pool: "other",
    expected,
    breakSource: () => rm(file),
    mend: () => writeFile(file, json),
  });
});

const valid = await fileOf(json);

testPlugin({
  test,
  create: () => fileTargets({ path: valid }),
  badOptions: [
    { options: undefined, says: "path: " },
    { options: { path: "" }, says: "path: Expected the path of a file that ends with .json, .yaml, .yml, .toml" },
    { options: { path: "targets.ini" }, says: "path: Expected the path of a file that ends with .json" },
    { options: { path: valid, interval: 0 }, says: "interval: Expected 1 or more" },
    { options: { path: valid, interval: 2 ** 31 }, says: "interval: Expected milliseconds, 2147483647 at most" },
    { options: { path: valid, pool: "" }, says: "pool: Expected a word" },
    { options: { path: join(directory, "none.yaml") }, says: "path: none.yaml: there is no such file" },
    { options: { path: `${directory}/x.json/..` }, says: "path: Expected the path of a file" },
  ],
});

describe("a change is taken without waiting for the interval", () => {
  const seen = async (act: (file: string) => Promise<void>, file: string): Promise<void> => {
    const proxy = await openProxy(fileTargets({ path: file, interval: 1e9 }));
    expect(idsOf(proxy)).toEqual(["http://127.0.0.1:1"]);
    await act(file);
    await eventually(() => expect(idsOf(proxy)).toEqual(["http://127.0.0.1:2"]));
    await proxy.close();
  };

  test("when the file is written in place", async () => {
    await seen((file) => writeFile(file, '["http://127.0.0.1:2"]'), await fileOf('["http://127.0.0.1:1"]'));
  });

  test("when another file is renamed onto it", async () => {
    const act = async (file: string): Promise<void> => {
      await writeFile(`${file}.new`, '["http://127.0.0.1:2"]');
      await rename(`${file}.new`, file);
    };
    await seen(act, await fileOf('["http://127.0.0.1:1"]'));
  });

  test("when a link is swapped as a ConfigMap does it", async () => {
    const volume = await mkdtemp(join(directory, "volume-"));
    const write = async (revision: string, text: string): Promise<void> => {
      await mkdir(join(volume, revision));
      await writeFile(join(volume, revision, "targets.yaml"), text);
      await symlink(revision, join(volume, `${revision}-link`));
      await rename(join(volume, `${revision}-link`), join(volume, "..data"));
    };
    await write("..1", "- http://127.0.0.1:1");
    await symlink("..data/targets.yaml", join(volume, "targets.yaml"));
    await seen(() => write("..2", "- http://127.0.0.1:2"), join(volume, "targets.yaml"));
  });
});

test("after the interval a change is seen that no event told of", async () => {
  const inner = join(directory, "replaced");
  const write = async (port: number): Promise<void> => {
    await rm(inner, { recursive: true, force: true });
    await mkdir(inner);
    await writeFile(join(inner, "targets.json"), `["http://127.0.0.1:${port}"]`);
  };
  await write(1);
  const proxy = await openProxy(fileTargets({ path: join(inner, "targets.json"), interval: 20 }));
  for (const port of [2, 3]) {
    await write(port);
    await eventually(() => expect(idsOf(proxy)).toEqual([`http://127.0.0.1:${port}`]));
  }
  await proxy.close();
});

test("the status names the file, the place and what to do while it is wrong", async () => {
  const file = await fileOf("- http://127.0.0.1:1", "yaml");
  const name = basename(file);
  const proxy = await openProxy(fileTargets({ path: file, interval: 20 }));
  await writeFile(file, "- http://127.0.0.1:1\n- url: http://127.0.0.1:2\n  wieght: 3\n- 7\n");
  await eventually(() =>
    expect(proxy.status().stale).toEqual([
      {
        source: `file-targets default ${file}`,
        pool: "default",
        error: [
          `${name}:3:3: targets.1.wieght: unknown key; did you mean "weight"?`,
          `${name}:4:3: targets.2: Invalid type: Expected Object, received 7`,
        ].join("\n"),
      },
    ]),
  );
  await writeFile(file, "[]");
  await eventually(() => expect(proxy.status().stale).toEqual([]));
  expect(idsOf(proxy)).toEqual([]);
  await proxy.close();
});

test("a reload while the file is half written goes on with what is known, and follows", async () => {
  const path = await fileOf('["http://127.0.0.1:1"]');
  const config = { plugins: [fileTargets({ path, interval: 20 })] };
  const proxy = await openConfig(config);
  await writeFile(path, '["http://127.');
  await proxy.reload(config);
  expect(idsOf(proxy)).toEqual(["http://127.0.0.1:1"]);
  expect(proxy.status().stale).toHaveLength(1);
  await writeFile(path, '["http://127.0.0.1:2"]');
  await eventually(() => expect(idsOf(proxy)).toEqual(["http://127.0.0.1:2"]));
  expect(proxy.status().stale).toEqual([]);
  await proxy.close();
});

test("two files fill one pool beside each other, and each loses its own only", async () => {
  const [one, two] = [await fileOf('["http://127.0.0.1:1"]'), await fileOf('["http://127.0.0.1:2"]')];
  const plugins = [
    fileTargets({ path: one, interval: 20 }),
    fileTargets({ path: two, interval: 20 }),
    staticTargets({ targets: ["http://127.0.0.1:3"] }),
  ];
  const proxy = await openProxy(...plugins);
  expect(idsOf(proxy)).toHaveLength(3);
  await writeFile(one, "[]");
  await eventually(() => expect(idsOf(proxy)).toEqual(["http://127.0.0.1:2", "http://127.0.0.1:3"]));
  expect(await readFile(two, "utf8")).toBe('["http://127.0.0.1:2"]');
  await proxy.close();
});
