import * as nodeModule from "node:module";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";

/**
 * Node never reads an ES module twice, and jiti leaves `.js` and `.mjs` files to Node. A resolve hook therefore gives
 * the project's files a new address in each generation. It slows every import a little and a hook cannot be taken
 * back, so it is installed with the first reload or watch, not before. Node keeps what it loaded: each reload costs
 * the memory of the project's own `.js` and `.mjs` files once more.
 */
export interface FreshModules {
  /** From now on the project's modules are read anew. */
  begin(): void;
  /** URLs of the project's modules that were imported since `begin`. */
  imported(): string[];
}

interface Resolved {
  readonly url: string;
}

interface ResolveContext {
  readonly conditions: readonly string[];
}

type RegisterHooks = (hooks: {
  resolve(
    specifier: string,
    context: ResolveContext,
    next: (specifier: string, context: ResolveContext) => Resolved,
  ): Resolved;
}) => void;

let installed: FreshModules | undefined;

export function freshModules(): FreshModules {
  installed ??= install(foreignModules());
  return installed;
}

/** What belongs to no user's project: packages and this package itself, of which only one copy may run. */
function foreignModules(): RegExp {
  const own = new URL("../../", import.meta.url).href.replace(/[\\^$.*+?()[\]{}|]/gu, String.raw`\$&`);
  return new RegExp(`^(?!file:)|/node_modules/|[?#]|^${own}(?:core|plugins)/`, "u");
}

function install(foreign: RegExp): FreshModules {
  return canHook(nodeModule) ? installInProcess(foreign, nodeModule.registerHooks) : installInThread(foreign);
}

function canHook(module: object): module is { registerHooks: RegisterHooks } {
  return "registerHooks" in module;
}

function installInProcess(foreign: RegExp, registerHooks: RegisterHooks): FreshModules {
  let generation = 0;
  const urls = new Set<string>();
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      if (!context.conditions.includes("import") || foreign.test(resolved.url)) return resolved;
      urls.add(resolved.url);
      return { ...resolved, url: `${resolved.url}?generation=${generation}` };
    },
  });
  return {
    begin() {
      generation += 1;
      urls.clear();
    },
    imported: () => [...urls],
  };
}

/** For Node 20, whose hooks run in a thread of their own. A data URL, because sources and builds differ in their extension. */
const threadSource = `
let foreign, generation, port;
export function initialize(shared) { ({ foreign, generation, port } = shared); }
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  if (foreign.test(resolved.url)) return resolved;
  port.postMessage(resolved.url);
  return { ...resolved, url: resolved.url + "?generation=" + Atomics.load(generation, 0) };
}`;

function installInThread(foreign: RegExp): FreshModules {
  const { port1, port2 } = new MessageChannel();
  const generation = new Int32Array(new SharedArrayBuffer(4));
  nodeModule.register(`data:text/javascript,${encodeURIComponent(threadSource)}`, {
    data: { foreign, generation, port: port2 },
    transferList: [port2],
  });
  port1.unref();
  const received = (): string[] => {
    const urls = new Set<string>();
    for (let entry = receiveMessageOnPort(port1); entry !== undefined; entry = receiveMessageOnPort(port1)) {
      urls.add(String(entry.message));
    }
    return [...urls];
  };
  return {
    begin() {
      Atomics.add(generation, 0, 1);
      received();
    },
    imported: received,
  };
}
