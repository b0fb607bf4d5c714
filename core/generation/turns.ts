import type { SelectorService } from "../contract/services.ts";

/** What a config without any selector gets: one after the other. */
export const turns: SelectorService = {
  name: "turns",
  create: () => {
    let next = 0;
    return { pick: (targets) => targets[next++ % targets.length] };
  },
};
