export interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
}

/** An event that a test makes happen. */
export function deferred(): Deferred {
  const event = counter();
  return { promise: event.reached(1), resolve: event.add };
}

/** Fails with words instead of the runner's time-out when something that must happen does not. */
export async function within<T>(promise: Promise<T>, what: string, milliseconds = 3_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface Counter {
  readonly count: number;
  readonly add: () => void;
  reached(count: number): Promise<void>;
}

/** `count` things that happen one by one; `reached(n)` settles when n have. */
export function counter(): Counter {
  let count = 0;
  const waiting: { readonly wanted: number; readonly resolve: () => void }[] = [];
  return {
    get count() {
      return count;
    },
    add() {
      count++;
      for (const each of waiting) if (each.wanted <= count) each.resolve();
    },
    reached(wanted) {
      return new Promise((resolve) => {
        if (count >= wanted) resolve();
        else waiting.push({ wanted, resolve });
      });
    },
  };
}

/** The one that must be there. */
export function at<T>(list: readonly T[], index = 0): T {
  const item = list[index];
  if (item === undefined) throw new Error(`no item ${index} in a list of ${list.length}`);
  return item;
}
