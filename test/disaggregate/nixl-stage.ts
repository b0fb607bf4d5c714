import { ask, handleIn, prefillBody } from "./ask.ts";
import { openDecode } from "./decode-worker.ts";
import { type EngineRoom, engineRoom, type RoomOptions } from "./engine-room.ts";
import { openPrefill } from "./prefill-worker.ts";
import type { Worker } from "./worker.ts";

export interface NixlStage {
  readonly room: EngineRoom;
  readonly prefill: Worker;
  readonly decode: Worker;
}

/** One worker of each role, `P` and `D`. */
export async function nixlStage(options: RoomOptions = {}): Promise<NixlStage> {
  const room = engineRoom(options);
  return { room, prefill: await openPrefill(room, { name: "P" }), decode: await openDecode(room, { name: "D" }) };
}

/** One line per complaint, without what was expected. */
export function told(room: EngineRoom): string[] {
  return room.complaints.map(({ worker, field, got }) => `${worker} ${field}: ${got}`);
}

/** The first phase done right; the handle. */
export async function prefilled({ prefill }: NixlStage, headers: Readonly<Record<string, string>>): Promise<string> {
  return handleIn(await ask(prefill, { headers, body: prefillBody }));
}
