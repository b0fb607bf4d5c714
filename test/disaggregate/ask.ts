import { randomUUID } from "node:crypto";
import { clientHeader } from "./clients.ts";
import type { EngineRoom } from "./engine-room.ts";
import type { Worker } from "./worker.ts";

export interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal?: AbortSignal;
}

/** Asks a worker by hand, as a proxy would. */
export async function ask(
  worker: Worker,
  { path = "/v1/completions", method = "POST", ...rest }: Ask,
): Promise<string> {
  const headers = { "content-type": "application/json", ...rest.headers };
  const { body, signal = null } = rest;
  const response = await fetch(worker.url + path, { method, headers, body, signal });
  return response.text();
}

/** A request of two phases that a client sends, and the headers of both. */
export interface TwoPhases {
  readonly body: string;
  readonly requestId: string;
  readonly headers: Readonly<Record<string, string>>;
}

export const clientBody = `{"model" : "m", "prompt":"Sag \\u00fc", "max_tokens":3,"stream" :false,"seed":12345678901234567890}`;

export function twoPhases(room: EngineRoom, body: string = clientBody, path = "/v1/completions"): TwoPhases {
  const requestId = randomUUID();
  const { id } = room.clients.send(path, body);
  return { body, requestId, headers: { [clientHeader]: id, "x-request-id": requestId } };
}

export const prefillParams =
  `"kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,` +
  `"remote_block_ids":null,"remote_host":null,"remote_port":null}`;

/** `clientBody` as the first phase has it. */
export const prefillBody = `{"model" : "m", "prompt":"Sag \\u00fc", "max_tokens":1,"stream" :false,"seed":12345678901234567890,${prefillParams}}`;

/** One more member behind the others. */
export function withMember(body: string, member: string): string {
  return `${body.slice(0, -1)},${member}}`;
}

/** The handle in the answer of a prefill worker, as it is spelt there. */
export function handleIn(answer: string): string {
  const found = /"kv_transfer_params": (.*) ,"prompt_token_ids":null\}$/s.exec(answer)?.[1];
  if (found === undefined) throw new Error(`No handle in ${answer}`);
  return found;
}
