import { isLoopbackHost, type Setup } from "../../core/index.ts";

/** As much of a listener as `Setup.config` shows. */
interface ShownListener {
  readonly host?: string;
  readonly control?: true | readonly string[];
  readonly plugins?: unknown;
  readonly mounts?: readonly { readonly plugins?: unknown }[];
}

interface ShownConfig extends ShownListener {
  readonly listeners?: Readonly<Record<string, ShownListener>>;
}

const own = "admin";
const fix =
  'give it a token, or a listener of its own on this machine: listeners: { admin: { port: 9000, control: ["admin"] } }';

/** Without a token: refuses a config that serves it beyond loopback, and warns where that only shows later. */
export function watchBinding(proxy: Setup): void {
  proxy.onLink(() => {
    for (const [name, host] of servedBy(proxy.config())) {
      if (isLoopbackHost(host)) continue;
      proxy.problem({ path: "", message: `listener ${name} serves it on ${host}, and it has no token`, fix });
    }
  });
  // A flag or a call may have it listen elsewhere than the config says, and that is known only then.
  const warned = new Set<string>();
  proxy.every(1_000, () => {
    const names = servedBy(proxy.config());
    for (const { name, host, state } of proxy.status().listeners) {
      if (state !== "open" || warned.has(name) || !names.has(name) || isLoopbackHost(host)) continue;
      warned.add(name);
      proxy.log.warn(`listener ${name} is bound to ${host}: without a token nothing is answered there; ${fix}`);
    }
  });
}

/** The hosts of the listeners that answer its paths, by their names. */
function servedBy(config: ShownConfig): ReadonlyMap<string, string> {
  const others = Object.entries(config.listeners ?? {});
  const found = others.filter(([, listener]) => holds(listener.plugins) || isMounted(listener));
  if (holds(config.plugins)) {
    const claiming = others.filter(([, { control }]) => control === true || control?.includes(own) === true);
    const sharing = others.filter(([, { control }]) => control === undefined);
    found.push(...(claiming.length > 0 ? claiming : [main(config), ...sharing]));
  } else if (isMounted(config)) found.push(main(config));
  return new Map(found.map(([name, { host = "127.0.0.1" }]) => [name, host]));
}

function main(config: ShownConfig): [string, ShownListener] {
  return ["main", config];
}

function isMounted({ mounts = [] }: ShownListener): boolean {
  return mounts.some(({ plugins }) => holds(plugins));
}

/** Lists may hold lists. */
function holds(plugins: unknown): boolean {
  if (Array.isArray(plugins)) return plugins.some((one) => holds(one));
  return typeof plugins === "object" && plugins !== null && "plugin" in plugins && plugins.plugin === own;
}
