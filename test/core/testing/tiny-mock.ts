import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { definePlugin, type Plugin } from "plugboard";

/** What one of the mocks below does differently. */
export interface Fault {
  readonly answer?: (path: string, request: Question) => Answer | undefined;
  /** Faults of its life rather than of its answers. */
  readonly life?: "leaks" | "opens in check" | "shares" | "changes ids" | "no ids";
}

export interface Question {
  readonly model?: string;
  readonly messages?: unknown;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly input?: readonly string[];
  readonly encoding_format?: string;
}

export interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: unknown;
}

export const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
export const chat = {
  object: "chat.completion",
  model: "m",
  choices: [{ message: { role: "assistant", content: "a b" }, finish_reason: "stop" }],
  usage,
};

export function chunk(choice: object | undefined, more: object = {}): string {
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", choices: choice === undefined ? [] : [choice], ...more })}\n\n`;
}

export const role = chunk({ delta: { role: "assistant" }, finish_reason: null });
export const said = chunk({ delta: { content: "a b" }, finish_reason: null });
export const stop = chunk({ delta: {}, finish_reason: "stop" });
export const count = chunk(undefined, { usage });
export const done = "data: [DONE]\n\n";

export function events(...list: string[]): Answer {
  return { type: "text/event-stream", body: list.join("") };
}

function refusal(status: number): Answer {
  return { status, body: { error: { message: "no", type: "invalid_request_error" } } };
}

function vector(input: string, format: string | undefined): unknown {
  const numbers = Float32Array.from(input, (letter) => letter.charCodeAt(0) / 128);
  return format === "base64" ? Buffer.from(numbers.buffer).toString("base64") : [...numbers];
}

export function embeddings({ input = [], encoding_format: format }: Question): Answer {
  return {
    body: { object: "list", data: input.map((each) => ({ embedding: vector(each, format) })) },
  };
}

function answerWell(path: string, request: Question): Answer {
  if (path === "/health") return { body: {} };
  if (path === "/v1/models") return { body: { object: "list", data: [{ id: "m", object: "model" }] } };
  if (path === "/v1/embeddings") return embeddings(request);
  if (request.messages === undefined) return refusal(400);
  if (request.model !== "m") return refusal(404);
  if (request.stream !== true) return { body: chat };
  return events(role, said, stop, ...(request.stream_options?.include_usage === true ? [count] : []), done);
}

function listenerOf(fault: Fault): RequestListener {
  return async (req, res) => {
    const { status = 200, type = "application/json", body } = answerTo(fault, req.url ?? "", await text(req));
    res.writeHead(status, { "content-type": type }).end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

function answerTo({ answer }: Fault, path: string, body: string): Answer {
  const request = body === "" ? {} : parse(body);
  if (request === undefined) return answer?.("bad json", {}) ?? refusal(400);
  return answer?.(path, request) ?? answerWell(path, request);
}

function parse(body: string): Question | undefined {
  try {
    return JSON.parse(body);
  } catch {
    return undefined; // the mock refuses it
  }
}

/** A whole mock plugin in a few lines, right but for its fault. */
export function mocks(fault: Fault = {}): () => Plugin {
  let generation = 0;
  let shared: Promise<Server> | undefined;
  const open = async (): Promise<Server> => {
    const server = createServer(listenerOf(fault)).listen(0, "127.0.0.1");
    onTestFinished(() => close(server));
    await once(server, "listening");
    return server;
  };
  return definePlugin({
    name: "tiny-mock",
    setup(proxy) {
      let server: Server | undefined;
      const number = fault.life === "changes ids" ? generation++ : 1;
      const id = fault.life === "no ids" ? undefined : `tiny-${number}`;
      proxy.provide("discovery", "tiny-mock", {
        async start(sink) {
          if (proxy.mode === "check" && fault.life !== "opens in check")
            return sink.replace([{ id, url: "http://127.0.0.1:0" }]);
          server = await (fault.life === "shares" ? (shared ??= open()) : open());
          sink.replace([{ id, url: urlOf(server) }]);
        },
      });
      proxy.onClose(() => (server === undefined || fault.life === "leaks" ? undefined : close(server)));
    },
  });
}

function urlOf(server: Server): string {
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`;
}

function close(server: Server): void {
  server.close();
  server.closeAllConnections();
}
