import type { Exchange } from "../../core/index.ts";
import { addTime, createTimes, timeAt, type Times } from "./_hedge-times.ts";

export interface WaitOptions {
  /** Milliseconds, or the percentile of the times that counts. */
  readonly after: number | `p${number}`;
  /** Milliseconds that a percentile counts as at least. */
  readonly min: number;
}

/** How long a request waits for its first target alone. */
export interface Waits {
  /** Milliseconds; undefined: it is not known yet what is usual. */
  of(x: Exchange): number | undefined;
  /** So long an answer took. */
  add(x: Exchange, milliseconds: number): void;
}

/** Routes whose times are remembered; those of a config are far fewer. */
const mostRoutes = 1_000;

/** `routes`: the times of each, by name. */
export function createWaits(routes: Map<string, Times>, { after, min }: WaitOptions): Waits {
  if (typeof after === "number") return { of: () => after, add: () => {} };
  const percentile = Number(after.slice(1));
  return {
    of({ route }) {
      const times = routes.get(route?.name ?? "");
      const usual = times && timeAt(times, percentile);
      return usual === undefined ? undefined : Math.max(min, Math.ceil(usual));
    },
    add({ route }, milliseconds) {
      const name = route?.name ?? "";
      let times = routes.get(name);
      if (times === undefined) {
        const [oldest = ""] = routes.size >= mostRoutes ? routes.keys() : [];
        routes.delete(oldest);
        routes.set(name, (times = createTimes()));
      }
      addTime(times, milliseconds);
    },
  };
}
