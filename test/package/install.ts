import { cp, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, repository } from "./run.ts";

export interface Installed {
  readonly tarball: string;
  /** A project with nothing but this package. */
  readonly project: string;
  remove(): Promise<void>;
}

/** Packs the package, which builds it, and installs the tarball into a project outside of the repository. */
export async function installPacked(): Promise<Installed> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "plugboard-")));
  const project = join(directory, "project");
  await mustRun("npm", ["pack", "--pack-destination", directory], repository);
  const [name = ""] = (await readdir(directory)).filter((file) => file.endsWith(".tgz"));
  const tarball = join(directory, name);
  await cp(new URL("project/", import.meta.url), project, { recursive: true });
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  // What the project's own plugin imports: a dependency of its own.
  const valibot = `valibot@${await dependency("valibot")}`;
  await mustRun("npm", ["install", "--no-audit", "--no-fund", tarball, valibot], project);
  return { tarball, project, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function dependency(name: string): Promise<string> {
  const text = await readFile(join(repository, "package.json"), "utf8");
  const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> };
  const version = dependencies[name];
  if (version === undefined) throw new Error(`${name} is no dependency`);
  return version;
}
