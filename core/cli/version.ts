import { createRequire } from "node:module";

const manifest: unknown = createRequire(import.meta.url)("plugboard/package.json");

/** Of this package, as npm knows it. */
export const version: string = hasVersion(manifest) ? manifest.version : "";

/** The root of the package, which holds more than what was built. */
export const packageFile: string = createRequire(import.meta.url).resolve("plugboard/package.json");

function hasVersion(value: unknown): value is { version: string } {
  return typeof value === "object" && value !== null && "version" in value && typeof value.version === "string";
}
