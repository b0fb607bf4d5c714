import { expect, test } from "vitest";
import { closeFrame, FrameTracker } from "../../core/wire/websocket-frames.ts";
import { webSocketFrame as frame } from "./websocket.ts";

const run: readonly Buffer[] = [
  frame(""),
  frame("a", { masked: true }),
  frame("a".repeat(125)),
  frame("a".repeat(126), { opcode: 2, masked: true }),
  frame("a".repeat(65_535), { final: false }),
  frame("", { opcode: 9, masked: true }),
  frame("a".repeat(65_536), { opcode: 0, masked: true }),
  frame("\x88\x02\x03\xe9"),
];
const bytes = Buffer.concat(run);
const ends = new Set([0]);
for (let at = 0, index = 0; index < run.length; index++) ends.add((at += (run[index] as Buffer).length));

/** Where a tracker says that frames begin, when the bytes come in chunks of this size. */
function boundaries(chunkSize: number): number[] {
  const tracker = new FrameTracker();
  const found = [0];
  for (let at = 0; at < bytes.length; at += chunkSize) {
    tracker.pass(bytes.subarray(at, at + chunkSize));
    if (tracker.atBoundary) found.push(Math.min(at + chunkSize, bytes.length));
  }
  return found;
}

test("between two frames, and only there, is a boundary", () => {
  expect(boundaries(1)).toEqual([...ends]);
});

test.each([2, 3, 7, 14, 127, 4_096, bytes.length])("it is the same one in chunks of %i bytes", (chunkSize) => {
  const cuts = [...ends].filter((end) => end % chunkSize === 0 || end === bytes.length);
  expect(boundaries(chunkSize)).toEqual(cuts);
});

test("behind Close there is none, whatever follows", () => {
  const tracker = new FrameTracker();
  tracker.pass(frame("hi"));
  expect(tracker.atBoundary).toBe(true);
  tracker.pass(frame("\x03\xe8", { opcode: 8 }));
  expect(tracker.atBoundary).toBe(false);
  tracker.pass(frame("hi"));
  expect(tracker.atBoundary).toBe(false);
});

test("a length beyond all numbers is a frame that never ends", () => {
  const tracker = new FrameTracker();
  tracker.pass(Buffer.concat([Buffer.from([0x82, 127]), Buffer.alloc(8, 0xff), Buffer.alloc(100_000)]));
  expect(tracker.atBoundary).toBe(false);
});

test("a Close frame says 1001; to a server it is masked, each time by another key", () => {
  expect([...closeFrame(false)]).toEqual([0x88, 2, 0x03, 0xe9]);
  const masked = closeFrame(true);
  expect([...masked.subarray(0, 2)]).toEqual([0x88, 0x82]);
  expect(masked).toHaveLength(8);
  const unmasked = [6, 7].map((at) => (masked[at] as number) ^ (masked[at - 4] as number));
  expect(unmasked).toEqual([0x03, 0xe9]);
  const keys = Array.from({ length: 8 }, () => Buffer.from(closeFrame(true).subarray(2, 6)).toString("hex"));
  expect(new Set(keys).size).toBeGreaterThan(1);
});
