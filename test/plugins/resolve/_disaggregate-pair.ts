import { openDecode } from "../../disaggregate/decode-worker.ts";
import { type EngineRoom, engineRoom } from "../../disaggregate/engine-room.ts";
import { openPrefill } from "../../disaggregate/prefill-worker.ts";
import type { Worker, WorkerOptions } from "../../disaggregate/worker.ts";
import { openStage, type Stage, type StageOptions } from "./_disaggregate-stage.ts";

export interface Pair extends Stage {
  readonly room: EngineRoom;
  readonly prefill: Worker;
  readonly decode: Worker;
}

/** One prefill and one decode worker behind a proxy, `P` and `D`. */
export async function openPair(stage: StageOptions = {}, worker: WorkerOptions = {}): Promise<Pair> {
  const room = engineRoom();
  const prefill = await openPrefill(room, { ...worker, name: "P" });
  const decode = await openDecode(room, { ...worker, name: "D" });
  return { room, prefill, decode, ...(await openStage(room, [prefill, decode], stage)) };
}
