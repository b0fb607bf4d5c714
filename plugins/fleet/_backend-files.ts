import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import type { Setup } from "../../core/index.ts";
import { type BabysitProblem, readBabysitToml } from "./_babysit-toml.ts";
import type { PlacedBackend } from "./_backend-conflicts.ts";
import { backendSchema } from "./_backend-options.ts";

/** The backends of files in the format of InfiniLM; all that is wrong with these is told as a problem of the config. */
export function readBackendFiles(proxy: Setup, files: readonly string[]): readonly PlacedBackend[] {
  return files.flatMap((file, index) => {
    const path = `toml.${index}`;
    proxy.watchFile(resolve(file));
    const text = readOrTell(proxy, file, path);
    if (text === undefined) return [];
    const { backends, registry, problems, notes } = readBabysitToml(text, { file });
    for (const problem of problems) tell(proxy, problem, path);
    for (const note of notes) if (proxy.mode === "serve") proxy.log.warn(`${file}: ${note}`);
    return backends.map((options) => ({ backend: v.parse(backendSchema, options), registry, path }));
  });
}

function readOrTell(proxy: Setup, file: string, path: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    proxy.problem({ path, message: `The file cannot be read (${code})`, received: file });
    return undefined;
  }
}

function tell(proxy: Setup, { file, line, path, message, received, fix }: BabysitProblem, option: string): void {
  const place = line === undefined ? file : `${file}:${line}`;
  const text = [place, path, message].filter((part) => part !== undefined && part !== "").join(": ");
  proxy.problem({
    path: option,
    message: text,
    ...(received !== undefined && { received }),
    ...(fix !== undefined && { fix }),
  });
}
