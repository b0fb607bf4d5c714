import type { EngineRoom } from "./engine-room.ts";
import { checkDecode } from "./nixl-checks.ts";
import type { Received } from "./received.ts";
import { writeAnswer } from "./reply.ts";
import { checkBootstrap, checkOrdinary } from "./sglang-checks.ts";
import { openWorker, refuse, type Worker, type WorkerOptions } from "./worker.ts";

/**
 * A decode worker of vLLM (NIXL), which pulls what the handle names, or of SGLang, which waits for the prefill worker of the
 * same room. What comes without a handle the one computes alone, what comes without a room the other refuses.
 */
export function openDecode(room: EngineRoom, options: WorkerOptions = {}): Promise<Worker> {
  return options.protocol === "sglang" ? openSglang(room, options) : openNixl(room, options);
}

/** A worker that does both phases itself, and complains of any handle. */
export function openUnified(room: EngineRoom, options: WorkerOptions = {}): Promise<Worker> {
  return openWorker(
    room,
    { role: "unified", check: (got) => checkOrdinary(room, got), answer: writeAnswer, killed: () => undefined },
    options,
  );
}

function openNixl(room: EngineRoom, options: WorkerOptions): Promise<Worker> {
  return openWorker(
    room,
    {
      role: "decode",
      check: (received) => checkDecode(room, received),
      answer: writeAnswer,
      killed: () => room.leases.shake(),
    },
    options,
  );
}

function openSglang(room: EngineRoom, options: WorkerOptions): Promise<Worker> {
  const rooms = new WeakMap<Received, string[]>();
  return openWorker(
    room,
    {
      role: "decode",
      check: (received) => void rooms.set(received, checkBootstrap(room, received, undefined)),
      async answer(task) {
        const given = rooms.get(task.received) ?? [];
        if (given.length === 0) return refuse(task.response, 400);
        await room.meetings.join(task.received, given).transferred.promise;
        if (!task.gone.aborted) await writeAnswer(task);
      },
      killed: () => undefined,
    },
    options,
  );
}
