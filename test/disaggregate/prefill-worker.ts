import type { ServerResponse } from "node:http";
import { answerTo } from "./answers.ts";
import type { EngineRoom } from "./engine-room.ts";
import { checkPrefill } from "./nixl-checks.ts";
import type { Received } from "./received.ts";
import { writeAnswer } from "./reply.ts";
import { reset } from "./reset.ts";
import { checkBootstrap } from "./sglang-checks.ts";
import { openWorker, refuse, type Task, type Worker, type WorkerOptions } from "./worker.ts";

/**
 * A prefill worker of vLLM (NIXL), which hands out a handle, or of SGLang, which waits for the decode worker that was given
 * the same room. It takes nothing but first phases, and complains of all else.
 */
export function openPrefill(room: EngineRoom, options: WorkerOptions = {}): Promise<Worker> {
  return options.protocol === "sglang" ? openSglang(room, options) : openNixl(room, options);
}

function openNixl(room: EngineRoom, options: WorkerOptions): Promise<Worker> {
  return openWorker(
    room,
    {
      role: "prefill",
      check: (received) => checkPrefill(room, received),
      answer: async (task) => handOut(room, task),
      killed: (name) => room.leases.dropAll(name),
    },
    options,
  );
}

function handOut(room: EngineRoom, { received, behaviour, response }: Task): void {
  const answer = answerTo(received);
  if (answer === undefined) return void response.writeHead(404).end("{}");
  const { handle, fault } = behaviour;
  if (handle === "missing" || handle === "null") {
    const text = handle === "null" ? withHandle(answer.whole, handle) : JSON.stringify(answer.whole);
    return writeJson(response, text, fault === "cut");
  }
  const lease = room.leases.issue(received, handle);
  room.note("handed out", received);
  // Who did not get it whole cannot pass it on.
  response.once("close", () => {
    if (!response.writableFinished && lease.state === "held") lease.state = "void";
  });
  writeJson(response, withHandle(answer.whole, lease.text), fault === "cut");
}

/** Behind a string and a member of another object that look like it. */
function withHandle(whole: Readonly<Record<string, unknown>>, params: string): string {
  const decoys = `"service_tier":"\\"kv_transfer_params\\":{}","system":{"kv_transfer_params":{"decoy":true}}`;
  return `{${decoys},${JSON.stringify(whole).slice(1, -1)},"kv_transfer_params": ${params} ,"prompt_token_ids":null}`;
}

/** In two pieces, split within the handle and within a character of two bytes where there is one. */
function writeJson(response: ServerResponse, text: string, cut: boolean): void {
  const bytes = Buffer.from(text);
  const middle = bytes.indexOf(0xc3) + 1 || Math.ceil(bytes.length / 2);
  response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length });
  response.write(bytes.subarray(0, middle), () => {
    if (cut) reset(response.socket);
    else response.end(bytes.subarray(middle));
  });
}

function openSglang(room: EngineRoom, options: WorkerOptions): Promise<Worker> {
  const { bootstrapPort = 8998 } = options;
  const own = { host: "127.0.0.1", port: bootstrapPort };
  const rooms = new WeakMap<Received, string[]>();
  return openWorker(
    room,
    {
      role: "prefill",
      check: (received) => void rooms.set(received, checkBootstrap(room, received, own)),
      answer: async (task) => {
        const given = rooms.get(task.received) ?? [];
        if (given.length === 0) return refuse(task.response, 400);
        const meeting = room.meetings.join(task.received, given);
        await meeting.met.promise;
        if (task.gone.aborted) return;
        meeting.transferred.resolve();
        await writeAnswer(task);
      },
      killed: () => undefined,
    },
    options,
  );
}
