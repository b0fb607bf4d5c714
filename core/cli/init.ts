import { constants } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { colors } from "consola/utils";
import { findConfig } from "../config/load.ts";
import { shorten } from "./config-source.ts";
import { Failure } from "./failure.ts";
import { createOutput, done } from "./output.ts";
import { packageFile } from "./version.ts";

/** Writes the config that this package is tried out with; it needs nothing but itself. */
export async function init({ force }: { readonly force: boolean }): Promise<void> {
  const file = (force ? undefined : findConfig(process.cwd())) ?? join(process.cwd(), "proxy.config.ts");
  const template = join(dirname(packageFile), "proxy.config.ts");
  await copyFile(template, file, force ? 0 : constants.COPYFILE_EXCL).catch((error: unknown) => {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw exists ? new Failure(1, `${shorten(file)} is there already`, { fix: "pass --force to overwrite it" }) : error;
  });
  const output = createOutput(false);
  output.tell("written", done(`wrote ${shorten(file)}`));
  output.tell("next", `  ${colors.dim("it runs as it is, on mock backends:")} npx plugboard --watch`);
}
