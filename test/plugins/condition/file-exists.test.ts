import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fileExists } from "plugboard/plugins/condition/file-exists";
import { testCondition, testPlugin } from "plugboard/testing";
import { conditionOf } from "../../../core/testing/condition.ts";

const directory = await mkdtemp(join(tmpdir(), "file-exists-"));
afterAll(() => rm(directory, { recursive: true }));

let names = 0;

/** A directory of its own for each test, and the path of a file that is not there. */
async function newPath(): Promise<string> {
  const own = join(directory, String(++names));
  await mkdir(own);
  return join(own, "open");
}

describe("a file that is written and removed", () => {
  let path = "";
  testCondition({
    test,
    async create() {
      path = await newPath();
      return fileExists({ path });
    },
    turn: (holds) => (holds ? writeFile(path, "") : rm(path, { force: true })),
  });
});

describe("a file that is renamed to the name and away from it", () => {
  let path = "";
  testCondition({
    test,
    async create() {
      path = await newPath();
      await writeFile(path, "");
      return fileExists({ path, name: "renamed" });
    },
    async turn(holds) {
      const [from, to] = holds ? [`${path}.off`, path] : [path, `${path}.off`];
      if (existsSync(from)) await rename(from, to);
    },
    holding: true,
  });
});

describe("a file in a directory that is not there yet", () => {
  let path = "";
  test("is found once it is there", async () => {
    path = join(await newPath(), "later", "open");
    const condition = await conditionOf(fileExists({ path }));
    condition.onChange?.(() => undefined);
    expect(condition.holds()).toBe(false);
    expect(condition.why?.()).toBe(`there is no file ${path}`);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, "");
    expect(condition.holds()).toBe(true);
  });
});

test("counts a link as what it leads to", async () => {
  const path = await newPath();
  await symlink(`${path}.target`, path);
  const condition = await conditionOf(fileExists({ path }));
  expect(condition.holds()).toBe(false);
  await writeFile(`${path}.target`, "");
  expect(condition.holds()).toBe(true);
});

test("does not throw where a part of the path is a file", async () => {
  const path = await newPath();
  await writeFile(path, "");
  const condition = await conditionOf(fileExists({ path: join(path, "open") }));
  expect(condition.holds()).toBe(false);
});

testPlugin({
  test,
  create: () => fileExists({ path: join(directory, "none") }),
  badOptions: [
    { options: undefined, says: "Expected" },
    { options: {}, says: 'Expected "path"' },
    { options: { path: "" }, says: "path: Expected the path of a file" },
    { options: { path: "a", name: "" }, says: "name: Expected a word" },
  ],
});
