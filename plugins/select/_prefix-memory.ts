import type { Exchange, Target } from "../../core/index.ts";
import { hashText } from "./_hash.ts";
import { createOwners } from "./_prefix-owners.ts";
import { findBlocks, numberOf, type PrefixStore, rememberBlocks } from "./_prefix-index.ts";
import { hashBlocks } from "./_prompt.ts";

/** Blocks of a prompt that count; of a longer one the first. */
const longest = 1_024;

/** What targets saw of the prompts of requests. */
export interface PrefixMemory {
  /** Index of the one that saw most, the least loaded of several; -1 when none saw this part of the prompt. */
  find(targets: readonly Target[], x: Exchange, part: number): number;
  /** Writes the part of the prompt, 0 to 1, that each saw. */
  parts(targets: readonly Target[], x: Exchange, into: Float64Array): void;
  remember(target: Target, x: Exchange): void;
}

export function createPrefixMemory(store: PrefixStore): PrefixMemory {
  const owners = createOwners(store);
  const hashes = new Int32Array(longest);
  const blocks = new Uint32Array(longest);
  let count = 0;
  /** Whose prompt `hashes` has, so that the attempt that follows a pick need not hash it again. */
  let current: Exchange | undefined;

  function read(x: Exchange): void {
    if (x === current) return;
    current = x;
    count = x.body === undefined ? 0 : hashBlocks(x.body, store.block, hashText(x.model ?? "default", 0), hashes);
  }

  return {
    find(targets, x, part) {
      read(x);
      const enough = Math.max(1, Math.ceil(part * count));
      for (let depth = findBlocks(store, hashes, count, blocks); depth >= enough; depth--) {
        const place = owners.leastLoaded(targets, blocks[depth - 1]!);
        if (place !== -1) return place;
      }
      return -1;
    },
    parts(targets, x, into) {
      read(x);
      into.fill(0, 0, targets.length);
      for (let depth = findBlocks(store, hashes, count, blocks); depth > 0; depth--) {
        owners.mark(targets, blocks[depth - 1]!, depth / count, into);
      }
    },
    remember(target, x) {
      read(x);
      // Not held on to: its body may be large.
      current = undefined;
      const owner = count === 0 ? 0 : numberOf(store, target);
      if (owner !== 0) rememberBlocks(store, hashes, count, owner);
    },
  };
}
