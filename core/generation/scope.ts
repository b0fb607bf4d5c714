import { configError } from "../config/config-error.ts";
import type { RegisteredHook } from "./compile.ts";
import { ServiceTable } from "./services.ts";
import type { ControlRoute } from "./setup.ts";

export interface BodyNeed {
  /** Bytes of any body; 0: none is asked for. */
  any: number;
  json: boolean;
}

/** What the plugins of one list registered: those of the config for every request, those of a mount for its own. */
export class Scope {
  readonly parent: Scope | undefined;
  readonly services: ServiceTable;
  readonly hooks: RegisteredHook[] = [];
  readonly controlRoutes: ControlRoute[] = [];
  readonly body: BodyNeed = { any: 0, json: false };

  constructor(parent?: Scope) {
    this.parent = parent;
    this.services = new ServiceTable(parent?.services);
  }

  needBody(body: number | "json"): void {
    if (body === "json") this.body.json = true;
    else this.body.any = Math.max(this.body.any, body);
  }

  addControlRoute(route: ControlRoute, index: number): void {
    const other = this.controlRoutes.find((r) => r.method === route.method && r.path === route.path);
    if (other !== undefined) {
      const message = `answers ${route.method} ${route.path}, which plugin ${other.plugin} answers already`;
      throw configError(route.plugin, index, message, "give one of them another path");
    }
    this.controlRoutes.push(route);
  }

  /** From the config's own to this one. */
  chain(): Scope[] {
    return [...(this.parent?.chain() ?? []), this];
  }
}
