const longest = 2 ** 31 - 1;

/** A timer that keeps nothing alive. */
export interface LongTimer {
  clear(): void;
}

/** Runs once after so many milliseconds, however many: Node's own timers take more than 24 days for none at all. */
export function longTimer(run: () => void, ms: number): LongTimer {
  const end = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const wait = (left: number): void => {
    timer = setTimeout(() => (left > longest ? wait(end - performance.now()) : run()), Math.min(left, longest)).unref();
  };
  wait(ms);
  return { clear: () => clearTimeout(timer) };
}
