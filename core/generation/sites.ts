import type { ConsolaInstance } from "consola";
import type { ListenerConfig, MountConfig, ProxyConfig } from "../contract/proxy.ts";
import type { Route } from "../contract/route.ts";
import { ControlClaims, isSame } from "./control-claims.ts";
import type { Registry } from "./registry.ts";
import type { Scope } from "./scope.ts";
import type { ControlRoute } from "./setup.ts";
import { createSite, type Site, type SiteOptions } from "./site.ts";
import { createSiteTable, type Mounted, type SiteTable } from "./site-table.ts";

/** The default routes of all lists of plugins; made before linking, as routes are. */
export type DefaultRoutes = ReadonlyMap<Scope, Route>;

/** Each listener, and where its plugins and mounts stand in the config. */
interface Place {
  readonly name: string;
  readonly path: string;
  readonly config: Pick<ListenerConfig, "control" | "mounts" | "plugins">;
}

export function createDefaultRoutes(config: ProxyConfig, registry: Registry): DefaultRoutes {
  const routes = new Map([[registry.root, registry.createRoute({ name: "default" }, "", -1)]]);
  for (const { name, path, config: listener } of places(config)) {
    const scope = registry.scope(path);
    if (!routes.has(scope)) routes.set(scope, registry.createRoute({ name }, "", -1, scope));
    for (const [i, { pool }] of (listener.mounts ?? []).entries()) {
      const mount = registry.scope(mountPath(path, i));
      const options = { name: mountName(name, listener.mounts?.[i]), ...(pool !== undefined && { pool }) };
      routes.set(mount, registry.createRoute(options, "", -1, mount));
    }
  }
  return routes;
}

/** The sites of each listener by its name; the config's own is `main`. */
export function createSites(
  config: ProxyConfig,
  registry: Registry,
  routes: DefaultRoutes,
  log: ConsolaInstance,
): ReadonlyMap<string, SiteTable> {
  const claims = new ControlClaims(config, registry);
  const tables = new Map<string, SiteTable>();
  for (const place of places(config)) {
    const shared = tables.get("main");
    tables.set(place.name, isBare(place) && shared !== undefined ? shared : createTable(place));
  }
  return tables;

  function createTable({ name, path, config: listener }: Place): SiteTable {
    const scope = registry.scope(path);
    const { mounts = [] } = listener;
    const own = claims.routesOf(name, scope);
    // Where mounts or control routes are named, nothing else is served.
    const closed = mounts.length > 0 || listener.control !== undefined;
    const base = createSite({ name, scope, ...(closed ? nowhere : toDefault(scope)), controlRoutes: own, log });
    const mounted = mounts.flatMap((mount, i) => mountOn(name, registry.scope(mountPath(path, i)), mount, own));
    return createSiteTable(base, mounted);
  }

  function mountOn(name: string, scope: Scope, mount: MountConfig, around: readonly ControlRoute[]): Mounted[] {
    const { handler, pool, strip = false } = mount;
    const to =
      handler !== undefined
        ? nowhere
        : pool === undefined
          ? toDefault(scope)
          : { ...toDefault(scope), resolvers: [scope] };
    return pathsOf(mount).flatMap((path) => {
      const own = scope.controlRoutes.map((route) => ({ ...route, path: path + route.path }));
      const controlRoutes = [...own, ...around.filter((route) => !own.some((other) => isSame(route, other)))];
      const options = {
        name: mountName(name, mount),
        scope,
        controlRoutes,
        handler,
        strip: strip ? path.length : 0,
        log,
      };
      const site: Site = createSite({ ...options, ...to });
      return hostsOf(mount).map((host) => ({ host, path, site }));
    });
  }

  function toDefault(scope: Scope): Pick<SiteOptions, "defaultRoute" | "resolvers"> {
    return { defaultRoute: routes.get(scope), resolvers: scope.chain() };
  }
}

const nowhere = { defaultRoute: undefined, resolvers: [] };

function places(config: ProxyConfig): Place[] {
  const others = Object.entries(config.listeners ?? {});
  return [
    { name: "main", path: "", config: config.mounts === undefined ? {} : { mounts: config.mounts } },
    ...others.map(([name, listener]) => ({ name, path: `listeners.${name}`, config: listener })),
  ];
}

function isBare({ name, config: { control, mounts, plugins = [] } }: Place): boolean {
  return name !== "main" && control === undefined && mounts === undefined && plugins.flat().every((one) => !one);
}

function mountPath(path: string, index: number): string {
  return path === "" ? `mounts.${index}` : `${path}.mounts.${index}`;
}

function mountName(listener: string, mount: MountConfig | undefined): string {
  const where = `${listOf(mount?.host).join(",")}${listOf(mount?.path).join(",") || "/"}`;
  return listener === "main" ? where : `${listener} ${where}`;
}

function pathsOf({ path = "/" }: MountConfig): string[] {
  return listOf(path).map((one) => one.replace(/\/+$/, ""));
}

function hostsOf({ host }: MountConfig): (string | undefined)[] {
  return host === undefined ? [undefined] : listOf(host).map((one) => one.toLowerCase().replace(/^\*/, ""));
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}
