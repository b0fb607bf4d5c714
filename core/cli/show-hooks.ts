import { colors } from "consola/utils";
import type { HookName } from "../contract/hooks.ts";

/** Plugins per phase, in the order they run. */
export function showHooks(hooks: Readonly<Partial<Record<HookName, readonly string[]>>>): string {
  const phases = Object.entries(hooks).filter(([, plugins]) => plugins.length > 0);
  const width = Math.max(0, ...phases.map(([phase]) => phase.length));
  return phases
    .map(([phase, plugins]) => `  ${colors.dim(phase.padEnd(width))}  ${plugins.join(colors.dim(" → "))}`)
    .join("\n");
}
