import * as nodeModule from "node:module";

interface Resolved {
  readonly url: string;
  readonly format?: string | null;
}

interface ResolveContext {
  readonly parentURL?: string;
}

type RegisterHooks = (hooks: {
  resolve(
    specifier: string,
    context: ResolveContext,
    next: (specifier: string, context: ResolveContext) => Resolved,
  ): Resolved;
}) => void;

interface Rule {
  readonly jiti: RegExp;
  readonly script: RegExp;
  /** What belongs to no user's project. */
  readonly foreign: RegExp;
  /** In the place of what is refused. To throw in the hook would do, but Node 20 then keeps a message port for each time. */
  readonly refusal: string;
}

let installed = false;

/**
 * Has jiti run the project's `.js` and `.mjs` files itself, as it does TypeScript, so that they can be read anew. Else it
 * leaves them to Node, which reads no file twice and lets go of none: at a new address for each reload, all that a reload
 * read would stay in memory. A resolve hook makes jiti's imports of them fail, whereupon it transpiles them. It slows
 * every import a little and cannot be taken back, so it is installed with the first reload or watch, not before.
 */
export function takeFromNode(): void {
  if (installed) return;
  installed = true;
  const rule = {
    jiti: /\/node_modules\/jiti\/lib\/jiti\.mjs$/u,
    script: /\.[cm]?js$|\/[^./]+$/u,
    foreign: foreignModules(),
    refusal: toDataUrl('throw new Error("jiti runs this itself");'),
  };
  if (canHook(nodeModule)) installInProcess(rule, nodeModule.registerHooks);
  else nodeModule.register(toDataUrl(threadSource), { data: rule });
}

/** Packages, and this package itself, of which only one copy may run. */
function foreignModules(): RegExp {
  const own = new URL("../../", import.meta.url).href.replace(/[\\^$.*+?()[\]{}|]/gu, String.raw`\$&`);
  return new RegExp(`^(?!file:)|/node_modules/|[?#]|^${own}(?:core|plugins)/`, "u");
}

function toDataUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

function canHook(module: object): module is { registerHooks: RegisterHooks } {
  return "registerHooks" in module;
}

function installInProcess({ jiti, script, foreign, refusal }: Rule, registerHooks: RegisterHooks): void {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const isRefused = jiti.test(context.parentURL ?? "") && script.test(resolved.url) && !foreign.test(resolved.url);
      return isRefused ? { ...resolved, url: refusal, format: "module" } : resolved;
    },
  });
}

/** For Node 20, whose hooks run in a thread of their own. A data URL, because sources and builds differ in their extension. */
const threadSource = `
let rule;
export function initialize(shared) { rule = shared; }
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  const { jiti, script, foreign, refusal } = rule;
  const isRefused = jiti.test(context.parentURL ?? "") && script.test(resolved.url) && !foreign.test(resolved.url);
  return isRefused ? { ...resolved, url: refusal, format: "module" } : resolved;
}`;
