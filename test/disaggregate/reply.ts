import type { ServerResponse } from "node:http";
import { answerTo, event } from "./answers.ts";
import { reset } from "./reset.ts";
import { pause, type Task } from "./worker.ts";

const scriptedError = { error: { message: "as scripted", type: "Scripted", code: 500 } };

/** Answers as was asked: whole, or piece by piece. */
export async function writeAnswer(task: Task): Promise<void> {
  const answer = answerTo(task.received);
  if (answer === undefined) task.response.writeHead(404, { "content-type": "application/json" }).end("{}");
  else if (task.received.json["stream"] === true) await stream(task, answer.events);
  else await whole(task, Buffer.from(JSON.stringify(answer.whole)));
}

async function whole({ response, behaviour }: Task, bytes: Buffer): Promise<void> {
  response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length });
  if (behaviour.fault !== "cut") return void response.end(bytes);
  await write(response, bytes.subarray(0, 10));
  reset(response.socket);
}

async function stream({ response, behaviour, gone }: Task, events: readonly string[]): Promise<void> {
  const { pace = 0, gate, fault } = behaviour;
  response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  for (const [i, piece] of events.entries()) {
    await (gate === undefined ? pause(pace) : gate(i));
    if (gone.aborted) return;
    await write(response, piece);
    if (fault === "cut") return reset(response.socket);
    if (fault === "error event") break;
  }
  response.end(fault === "error event" ? event(scriptedError) : undefined);
}

function write(response: ServerResponse, piece: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => response.write(piece, () => resolve()));
}
