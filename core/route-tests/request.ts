import type { ExplainRequest } from "../contract/proxy.ts";
import type { RouteTestRequest } from "./define.ts";

const chatPath = "/v1/chat/completions";

/** The request that a test describes. */
export function toRequest({ method, path = chatPath, headers, listener, ...given }: RouteTestRequest): ExplainRequest {
  const body = toBody(given);
  return {
    method: (method ?? (body === undefined ? "GET" : "POST")).toUpperCase(),
    path,
    ...(headers !== undefined && { headers }),
    ...(listener !== undefined && { listener }),
    ...(body !== undefined && { body }),
  };
}

/** The same body as `explain --model` makes. */
function toBody({ body, model, stream }: RouteTestRequest): string | undefined {
  if (typeof body === "string") return body;
  if (body !== undefined) return JSON.stringify(body);
  if (model === undefined) return undefined;
  return JSON.stringify({
    model,
    messages: [{ role: "user", content: "hi" }],
    ...(stream !== undefined && { stream }),
  });
}

/** What a test without a name is called. */
export function describeRequest(request: RouteTestRequest): string {
  const { method = "", path = "" } = toRequest(request);
  const model = request.model ?? modelOf(request.body);
  if (model === undefined) return `${method} ${path}`;
  const streamed = request.stream === true ? ", streamed" : "";
  const isChat = method === "POST" && path === chatPath;
  return isChat ? `model ${model}${streamed}` : `${method} ${path}, model ${model}${streamed}`;
}

function modelOf(body: string | object | undefined): string | undefined {
  return typeof body === "object" && "model" in body && typeof body.model === "string" ? body.model : undefined;
}

/** Longer ones are no command to type; the file of the test has it. */
const longestBody = 1_000;

/** The command that shows what the request of a test does. */
export function toCommand(request: RouteTestRequest, options: readonly string[] = []): string {
  const { headers = {}, listener } = request;
  const { words, input } = toWords(request);
  const named = Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
  const entry = listener === undefined ? [] : ["--listener", listener];
  const command = ["plugboard", "explain", ...words, ...named, ...entry, ...options].map(quote).join(" ");
  return input === undefined ? command : `printf %s ${quote(input)} | ${command}`;
}

/** `--model` makes the usual body; any other is read from standard input. */
function toWords(request: RouteTestRequest): { words: string[]; input?: string } {
  const { method = "", path = "", body } = toRequest(request);
  const { model, stream } = request;
  if (model !== undefined && stream === undefined && method === "POST") {
    return { words: [...(path === chatPath ? [] : [method, path]), "--model", model] };
  }
  if (typeof body !== "string") return { words: [method, path] };
  if (body.length > longestBody) return { words: [method, path, "--body", "FILE"] };
  return { words: [method, path, "--body", "-"], input: body };
}

/** For a POSIX shell. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
