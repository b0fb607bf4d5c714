import { readdirSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** `.ts` in the sources, `.js` in what is built from them. */
export const extension: string = extname(import.meta.url);

/** The path of a file of this package, next to the code that runs: `own("plugins/")`. */
export function own(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

/** All plugins by factory name. Core depends on none of them, so they are looked up when the program runs. */
export async function importPlugins(): Promise<object> {
  const plugins: object = await import(new URL(`../../plugins/index${extension}`, import.meta.url).href);
  return plugins;
}

/** Names of the plugins of one kind, as in `plugins/select`. */
export function listPluginNames(kind: string): string[] {
  return readdirSync(own(`plugins/${kind}`))
    .filter((file) => file.endsWith(extension) && !file.startsWith("_"))
    .map((file) => file.slice(0, -extension.length));
}
