import { createHub, type Hub } from "./_registry-hub.ts";
import { textOf } from "../../core/index.ts";
import { type OpenOptions, openStore } from "./_registry-open.ts";
import type { RegistryStore } from "./_registry-store.ts";

/** What outlives a reload: the services, who watches them, and the timers of both. */
export interface RegistryState {
  readonly hub: Hub;
  /** Undefined until it is open. */
  readonly store: RegistryStore | undefined;
  /** Opens it for the first who asks; each who did so has to let it go. */
  retain(): Promise<void>;
  /** Closes it after the last. */
  release(): Promise<void>;
}

export interface StateOptions extends OpenOptions {
  readonly firstVersion: number;
}

export function createState({ firstVersion, ...options }: StateOptions): RegistryState {
  const hub = createHub({ now: options.now, firstVersion });
  let holders = 0;
  let store: RegistryStore | undefined;
  let opening: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  async function open(): Promise<void> {
    // One that was let go a moment ago may still be writing.
    await closing;
    const opened = await openStore(options);
    try {
      await opened.open(hub);
    } catch (error) {
      await opened.close();
      const why = textOf(error);
      throw new Error(`the storage of the registry cannot be opened: ${why}`, { cause: error });
    }
    store = opened;
  }

  async function close(opened: Promise<void>): Promise<void> {
    hub.close();
    await opened.catch(() => {}); // Those who asked for it know.
    const last = store;
    store = undefined;
    await last?.close();
  }

  return {
    hub,
    get store() {
      return store;
    },
    async retain() {
      holders += 1;
      opening ??= open();
      await opening;
    },
    async release() {
      holders -= 1;
      if (holders > 0 || opening === undefined) return;
      closing = close(opening);
      opening = undefined;
      await closing;
    },
  };
}
