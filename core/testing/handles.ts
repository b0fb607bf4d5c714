import assert from "node:assert/strict";

/** Kinds of what keeps the process alive, once what was about to open or to close has done so. */
export async function openHandles(): Promise<string[]> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => void setImmediate(resolve));
  return process.getActiveResourcesInfo();
}

/** A runner has timers and sockets of its own that come and go: only what stays for half a second is a leak. */
export async function assertNoMoreHandles(before: readonly string[]): Promise<void> {
  const deadline = performance.now() + 500;
  let more: string[];
  do {
    const rest = [...before];
    more = (await openHandles()).filter((kind) => {
      const index = rest.indexOf(kind);
      if (index !== -1) rest.splice(index, 1);
      return index === -1;
    });
  } while (more.length > 0 && performance.now() < deadline);
  assert.deepEqual(more, [], "still open");
}
