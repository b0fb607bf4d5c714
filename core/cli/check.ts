import { colors } from "consola/utils";
import { checkConfig } from "../check.ts";
import { configPath, readConfig, shorten, toFailure } from "./config-source.ts";
import { createOutput, done } from "./output.ts";
import { showHooks } from "./show-hooks.ts";

/** Validates, sets up and links a config, opens nothing, and shows what runs in which order. */
export async function check({ config: asked }: { readonly config?: string }): Promise<void> {
  const file = configPath(asked);
  const source = await readConfig(file, "check").catch((error: unknown) => {
    throw toFailure(error);
  });
  const { plugins, hooks, sites } = await checkConfig(source.config).catch((error: unknown) => {
    throw toFailure(error, source);
  });
  const output = createOutput(false);
  const count = plugins.length === 1 ? "1 plugin" : `${plugins.length} plugins`;
  output.tell("valid", done(`${shorten(file)} is valid: ${count}, ${colors.dim(plugins.join(", "))}`));
  output.tell("hooks", `\n${showHooks(hooks)}`);
  for (const site of sites) output.tell("hooks", `\n  ${colors.bold(site.name)}\n${showHooks(site.hooks)}`);
}
