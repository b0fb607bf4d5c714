import { mkdtemp, mkdir, realpath, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FileWatcher, watchFiles } from "../../../core/config/watch.ts";

let directory: string;
let watcher: FileWatcher;
let heard: string[][];
let wake: () => void;

beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), "plugboard-watch-")));
  heard = [];
  wake = () => {};
  watcher = watchFiles(
    (changed) => {
      heard.push(changed.map((file) => basename(file)));
      wake();
    },
    { debounce: 10 },
  );
});

afterEach(async () => {
  watcher.close();
  await rm(directory, { recursive: true });
});

const path = (name: string): string => join(directory, name);
const write = (name: string, text: string): Promise<void> => writeFile(path(name), text);

/** What is told of next, once it is. */
async function nextChange(): Promise<string[] | undefined> {
  if (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  return heard.shift();
}

test("tells of a file that was written", async () => {
  await write("a.ts", "1");
  watcher.set([path("a.ts")]);
  await write("a.ts", "22");
  expect(await nextChange()).toEqual(["a.ts"]);
});

test("tells of a file that another was renamed onto, again and again", async () => {
  await write("a.ts", "1");
  watcher.set([path("a.ts")]);
  for (const text of ["2", "3", "4"]) {
    await write(".a.ts.swp", text);
    await rename(path(".a.ts.swp"), path("a.ts"));
    expect(await nextChange()).toEqual(["a.ts"]);
  }
});

test("tells of a file that was removed only when it is back", async () => {
  await write("a.ts", "1");
  await write("b.ts", "1");
  watcher.set([path("a.ts"), path("b.ts")]);
  await unlink(path("a.ts"));
  await write("b.ts", "22");
  expect(await nextChange()).toEqual(["b.ts"]);
  await write("a.ts", "22");
  expect(await nextChange()).toEqual(["a.ts"]);
});

test("sees through a link to a directory that is swapped, as a mounted volume does it", async () => {
  await mkdir(path("one"));
  await mkdir(path("two"));
  await write("one/a.ts", "1");
  await write("two/a.ts", "2");
  await symlink("one", path("data"));
  await symlink("data/a.ts", path("a.ts"));
  watcher.set([path("a.ts")]);
  await symlink("two", path("next"));
  await rename(path("next"), path("data"));
  expect(await nextChange()).toEqual(["a.ts"]);
});

test("says nothing of the neighbours of a file", async () => {
  await write("a.ts", "1");
  watcher.set([path("a.ts")]);
  await write("neighbour.ts", "1");
  await write("a.ts", "22");
  expect(await nextChange()).toEqual(["a.ts"]);
  expect(heard).toEqual([]);
});

test("tells of many writes at once", async () => {
  const names = ["a.ts", "b.ts", "c.ts"];
  for (const name of names) await write(name, "1");
  watcher.set(names.map(path));
  await Promise.all(names.map((name) => write(name, "22")));
  const first = (await nextChange()) ?? [];
  while (first.length < names.length) first.push(...((await nextChange()) ?? []));
  expect(first.toSorted()).toEqual(names);
});

test("watches what it is told last, in other directories too", async () => {
  await mkdir(path("sub"));
  await write("a.ts", "1");
  await write("sub/b.ts", "1");
  watcher.set([path("a.ts")]);
  watcher.set([path("sub/b.ts")]);
  await write("a.ts", "22");
  await write("sub/b.ts", "22");
  expect(await nextChange()).toEqual(["b.ts"]);
});

test("tells of a directory that it cannot watch", async () => {
  const errors: Error[] = [];
  const other = watchFiles(() => {}, { onError: (error) => errors.push(error) });
  other.set([path("none/a.ts")]);
  expect(errors).toHaveLength(1);
  other.close();
});
