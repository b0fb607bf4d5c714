import { ConfigError, isConfigError } from "../config/config-error.ts";
import type { ValidPlugin } from "../config/validate.ts";
import type { Awaitable } from "../contract/services.ts";
import { textOf } from "../errors.ts";

/** Names the plugins of mounts and listeners by where they stand. */
export function placed(error: unknown, plugins: readonly ValidPlugin[]): unknown {
  if (!isConfigError(error)) return error;
  const name = (text: string): string =>
    text.replaceAll(/\bplugins\[(\d+)\]/g, (whole, index: string) => plugins[Number(index)]?.place ?? whole);
  const problems = error.problems.map((one) => ({ ...one, plugin: name(one.plugin), message: name(one.message) }));
  return new ConfigError(problems, { cause: error.cause });
}

/** Says whose fault a failed start was. */
export async function blamed(plugin: string, where: string, run: () => Awaitable<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (isConfigError(error)) throw error;
    throw new Error(`plugin ${plugin} failed in ${where}: ${textOf(error)}`, { cause: error });
  }
}
