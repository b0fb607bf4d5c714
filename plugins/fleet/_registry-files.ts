import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import type { Driver } from "unstorage";

const unfinished = ".part";

/**
 * A driver that keeps each item in a file. Unlike unstorage's own, a process that is killed while it writes leaves the old
 * file or the new one, never a half; and only its user may read them.
 */
export function createFiles(directory: string): Driver {
  const base = resolve(directory);
  const toPath = (key: string): string => join(base, ...key.split(":"));
  let count = 0;
  return {
    name: "registry-files",
    hasItem: async (key) => (await read(toPath(key))) !== null,
    getItem: (key) => read(toPath(key)),
    getItemRaw: (key) => read(toPath(key)),
    async setItem(key, value) {
      const path = toPath(key);
      const part = `${path}.${process.pid}-${count++}${unfinished}`;
      const write = (): Promise<void> => writeFile(part, value, { mode: 0o600 });
      await write().catch(async (error: unknown) => {
        if (!isMissing(error)) throw error;
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await write();
      });
      await rename(part, path);
    },
    removeItem: (key) => rm(toPath(key), { force: true }),
    async getKeys() {
      const files = await list(base);
      const parts = files.filter((file) => file.endsWith(unfinished));
      await Promise.all(parts.map((file) => rm(file, { force: true })));
      return files
        .filter((file) => !file.endsWith(unfinished))
        .map((file) => relative(base, file).split(sep).join(":"));
    },
  };
}

async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function list(base: string): Promise<string[]> {
  try {
    const found = await readdir(base, { recursive: true, withFileTypes: true });
    return found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
