/** Fails with words, instead of by the runner's time-out, when something that must happen does not. */
export async function within<T>(promise: Promise<T>, what: string, milliseconds = 2_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate(what, milliseconds)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again each turn of the event loop until it is so, and fails with words when it takes too long. */
export async function until(condition: () => boolean, what: string, milliseconds = 2_000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > deadline) throw tooLate(what, milliseconds);
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

function tooLate(what: string, milliseconds: number): Error {
  return new Error(`not within ${milliseconds} ms: ${what}`);
}
