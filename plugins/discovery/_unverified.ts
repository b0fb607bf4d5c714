import type { ConsolaInstance } from "consola";
import type { TargetSpec } from "../../core/index.ts";
import { toId } from "./_target-spec.ts";

/** Warns once, for as long as the plugin's generation lives, of each target whose certificate nobody looks at. */
export function createUnverified(log: ConsolaInstance): (targets: readonly TargetSpec[]) => void {
  const told = new Set<string>();
  return (targets) => {
    for (const target of targets) {
      const id = toId(target);
      if (target.tls?.verify !== false || target.enabled === false || told.has(id)) continue;
      told.add(id);
      log.warn(
        `target ${id} is not verified (tls.verify is false): whoever is in between can read and change everything; ` +
          "name its authority in tls.ca instead",
      );
    }
  };
}

/** The files that make a target what it is: a change of one wants a reload. */
export function tlsFiles(targets: readonly TargetSpec[]): readonly string[] {
  return targets.flatMap(({ tls }) => [tls?.ca, tls?.cert, tls?.key].filter((path) => path !== undefined));
}
