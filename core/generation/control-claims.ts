import { type ConfigProblem, ConfigError } from "../config/config-error.ts";
import { suggest } from "../config/suggest.ts";
import type { ProxyConfig } from "../contract/proxy.ts";
import type { Registry } from "./registry.ts";
import type { Scope } from "./scope.ts";
import type { ControlRoute } from "./setup.ts";

/** Which listeners answer the control routes of the config's own plugins. */
export class ControlClaims {
  readonly #routes: readonly ControlRoute[];
  readonly #byListener: Map<string, ReadonlySet<string>> = new Map();
  readonly #claimed: ReadonlySet<string>;

  constructor(config: ProxyConfig, { root }: Registry) {
    this.#routes = root.controlRoutes;
    const plugins = [...new Set(this.#routes.map(({ plugin }) => plugin))];
    const problems: ConfigProblem[] = [];
    for (const [name, { control }] of Object.entries(config.listeners ?? {})) {
      if (control === undefined) continue;
      this.#byListener.set(name, new Set(control === true ? plugins : control));
      if (control !== true) problems.push(...unknown(name, control, plugins));
    }
    if (problems.length > 0) throw new ConfigError(problems);
    this.#claimed = new Set([...this.#byListener.values()].flatMap((names) => [...names]));
  }

  routesOf(listener: string, scope: Scope): readonly ControlRoute[] {
    const claim = this.#byListener.get(listener);
    const own = scope.parent === undefined ? [] : scope.controlRoutes;
    const shared = this.#routes.filter(({ plugin }) =>
      claim === undefined ? !this.#claimed.has(plugin) : claim.has(plugin),
    );
    return [...own, ...shared.filter((route) => !own.some((other) => isSame(route, other)))];
  }
}

function unknown(listener: string, control: readonly string[], plugins: readonly string[]): ConfigProblem[] {
  return control.flatMap((name, i) => {
    if (plugins.includes(name)) return [];
    const near = suggest(name, plugins);
    const known = plugins.length === 0 ? "none does" : `those that do: ${plugins.join(", ")}`;
    return [
      {
        plugin: "",
        path: `listeners.${listener}.control.${i}`,
        message: "no plugin of the config by this name answers a path of its own",
        received: `'${name}'`,
        fix: near === undefined ? known : `did you mean "${near}"?`,
        index: -1,
      },
    ];
  });
}

export function isSame(a: ControlRoute, b: ControlRoute): boolean {
  return a.method === b.method && a.path === b.path;
}
