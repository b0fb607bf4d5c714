import type {
  Exchange,
  ExtraAnswer,
  ExtraAttempt,
  ExtraAttemptOptions,
  HookMap,
  Plugin,
  Setup,
  Target,
} from "plugboard";
import { at } from "../../wire/waiting.ts";
import { quickPlugin } from "../quick-plugin.ts";

/** A plugin that keeps the last target of the pool for its extra attempts; clients get to the others only. */
export interface SidePlugin {
  readonly plugin: Plugin;
  readonly proxy: Setup;
  /** The one for extra attempts. */
  readonly target: Target;
  /** Those for clients. */
  readonly mains: readonly Target[];
  attempt(x: Exchange, options?: ExtraAttemptOptions): ExtraAttempt;
}

export function sidePlugin(hooksOf: (side: SidePlugin) => HookMap): SidePlugin {
  let setup: Setup | undefined;
  const kept = new WeakMap<readonly Target[], readonly Target[]>();
  const mainsOf = (targets: readonly Target[]): readonly Target[] => {
    const found = kept.get(targets) ?? Object.freeze(targets.slice(0, -1));
    kept.set(targets, found);
    return found;
  };
  const side: SidePlugin = {
    get proxy() {
      return setup as Setup;
    },
    get target() {
      return at(side.proxy.pool().snapshot.all.slice(-1));
    },
    get mains() {
      return side.proxy.pool().snapshot.all.slice(0, -1);
    },
    attempt: (x, options) => side.proxy.attempt(x, side.target, options),
    plugin: quickPlugin("side", (proxy) => {
      setup = proxy;
      return { candidates: (_x, targets) => mainsOf(targets), ...hooksOf(side) };
    }),
  };
  return side;
}

/** What came of an answer: its body, or the code of the error. */
export async function told(answer: Promise<ExtraAnswer>): Promise<string> {
  try {
    const { status, body } = await answer;
    return `${status} ${Buffer.from(body).toString("latin1")}`;
  } catch (error) {
    return (error as { code: string }).code;
  }
}
