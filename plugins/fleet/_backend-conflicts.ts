import type { OptionProblem } from "../../core/index.ts";
import type { RegistrySettings } from "./_backend-fleet.ts";
import type { Backend } from "./_backend-options.ts";

/** A backend and where it stands in the options, such as `backends.0`. */
export interface PlacedBackend {
  readonly backend: Backend;
  readonly path: string;
  /** Where it is registered, where that is told with it. */
  readonly registry?: RegistrySettings | undefined;
}

/** What two of them cannot have both: a name, a port. */
export function findConflicts(backends: readonly PlacedBackend[]): readonly OptionProblem[] {
  const problems: OptionProblem[] = [];
  const names = new Map<string, string>();
  const ports = new Map<number, string>();
  for (const { backend, path } of backends) {
    const { name, port, control } = backend;
    const namesake = names.get(name);
    if (namesake === undefined) names.set(name, path);
    else problems.push({ path: `${path}.name`, message: `The name is taken by ${namesake} already`, received: name });
    for (const [field, used] of [
      ["port", port],
      ["control", control ?? (port === 0 ? 0 : port + 1)],
    ] as const) {
      if (used === false || used === 0) continue;
      const other = ports.get(used);
      if (other === undefined) ports.set(used, `${path}.${field}`);
      else problems.push(taken(path, field, used, other));
    }
  }
  return problems;
}

function taken(path: string, field: "port" | "control", port: number, other: string): OptionProblem {
  const after = "control is the port after port unless it is given";
  return { path: `${path}.${field}`, message: `Port ${port} is ${other} already`, received: port, fix: after };
}
