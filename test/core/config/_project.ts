import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

export interface Project {
  readonly directory: string;
  path(name: string): string;
  write(name: string, text: string): Promise<string>;
}

/** A user's project; gone when the test is. */
export async function createProject(files: Readonly<Record<string, string>> = {}): Promise<Project> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "plugboard-project-")));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = (name: string): string => join(directory, name);
  async function write(name: string, text: string): Promise<string> {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), text);
    return path(name);
  }
  await write("package.json", '{ "type": "module" }');
  await mkdir(path("node_modules")); // Takes the transpiler's cache, so that it goes with the project.
  for (const [name, text] of Object.entries(files)) await write(name, text);
  return { directory, path, write };
}
