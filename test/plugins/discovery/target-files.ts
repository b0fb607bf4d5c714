import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** A folder of its own for each file of tests. */
export const directory: string = await mkdtemp(join(tmpdir(), "file-targets-"));
afterAll(() => rm(directory, { recursive: true }));

let files = 0;

/** A file of its own for each test. */
export async function fileOf(text: string, extension = "json"): Promise<string> {
  const file = join(directory, `${++files}.${extension}`);
  await writeFile(file, text);
  return file;
}
