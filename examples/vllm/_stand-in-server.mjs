// The HTTP of a vLLM server, and the knobs of the stand-in below /stand-in.
import { createServer } from "node:http";
import { firstChunk, lastChunks, readRequest, Refusal, toAnswer, tokenChunk } from "./_stand-in-answers.mjs";
import { toMetrics } from "./_stand-in-metrics.mjs";

const longestBody = 64 * 1_048_576;

/** Not told to who asks what it was started with. */
const secrets = new Set(["VLLM_API_KEY"]);
const shownVariables = /^(?:VLLM_|CUDA_|NVIDIA_|STANDIN_)/;

export function createStandIn(settings, engine, env = process.env) {
  const startedAt = Date.now();
  const keys = new Set([...settings.apiKeys, ...(env.VLLM_API_KEY ? [env.VLLM_API_KEY] : [])]);
  const routes = new Map([
    ["GET /health", (_request, response) => response.end()],
    ["GET /version", (_request, response) => sendJson(response, 200, { version: "0.10.2" })],
    ["GET /v1/models", (_request, response) => sendJson(response, 200, listModels(settings, startedAt))],
    ["POST /v1/completions", generate],
    ["POST /v1/chat/completions", generate],
    ["GET /metrics", (_request, response) => sendMetrics(response, toMetrics(engine, settings.names[0], startedAt))],
    ["GET /stand-in/info", (_request, response) => sendJson(response, 200, toInfo(settings, env))],
    ["POST /stand-in/hang", (_request, response) => switchTo(response, () => engine.hang())],
    ["POST /stand-in/resume", (_request, response) => switchTo(response, () => engine.resume())],
  ]);

  function switchTo(response, change) {
    change();
    sendJson(response, 200, { hung: engine.hung });
  }

  async function generate(request, response, path) {
    const asked = readRequest(path, await readJson(request), request.headers["x-request-id"], settings);
    if (response.destroyed) return;
    run(engine, asked, response, asked.stream ? streamed(asked, response) : whole(asked, response));
  }

  return createServer((request, response) => {
    const path = (request.url ?? "").split("?", 1)[0];
    response.setHeader("x-stand-in-pid", process.pid);
    request.on("error", () => response.destroy());
    if (!isAllowed(request, path, keys)) return sendJson(response, 401, { error: "Unauthorized" });
    const route = routes.get(`${request.method} ${path}`);
    if (route === undefined) return refuse(response, routes, path);
    Promise.resolve()
      .then(() => route(request, response, path))
      .catch((error) => sendFailure(response, error));
  });
}

/** Gives up what is left when the client goes. */
function run(engine, { jobs }, response, { onToken, onEnd }) {
  let left = jobs.length;
  const stops = jobs.map((job) => {
    let isFirst = true;
    return engine.submit({
      ...job,
      onToken(token, isLast) {
        onToken(job, token, isLast, isFirst);
        isFirst = false;
        if (isLast && (left -= 1) === 0) onEnd();
      },
    });
  });
  response.on("close", () => {
    for (const stop of stops) stop();
  });
}

function whole(asked, response) {
  const made = asked.jobs.map(() => []);
  return {
    onToken: (job, token) => void made[job.index].push(token),
    onEnd: () => sendJson(response, 200, toAnswer(asked, made)),
  };
}

function streamed(asked, response) {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  response.flushHeaders();
  return {
    onToken(job, token, isLast, isFirst) {
      response.write((isFirst ? firstChunk(asked, job) : "") + tokenChunk(asked, job, token, isLast));
    },
    onEnd: () => response.end(lastChunks(asked)),
  };
}

/** Only what is below /v1 asks for a key. */
function isAllowed({ headers, method }, path, keys) {
  if (keys.size === 0 || method === "OPTIONS" || !path.startsWith("/v1")) return true;
  return keys.has(/^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1]);
}

function refuse(response, routes, path) {
  const allow = [...routes.keys()].filter((key) => key.endsWith(` ${path}`)).map((key) => key.split(" ", 1)[0]);
  if (allow.length === 0) return sendJson(response, 404, { detail: "Not Found" });
  response.setHeader("allow", allow.join(", "));
  sendJson(response, 405, { detail: "Method Not Allowed" });
}

async function readJson(request) {
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0].trim().toLowerCase();
  // vLLM refuses a body without this type, which is why a proxy in front of it may add one.
  if (type !== "application/json")
    throw new Refusal(400, "BadRequestError", "Unsupported Media Type: Only 'application/json' is allowed");
  const pieces = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += piece.length;
    if (bytes > longestBody) throw new Refusal(413, "BadRequestError", "The body is too large.");
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    throw new Refusal(400, "BadRequestError", "JSON decode error");
  }
}

function sendFailure(response, error) {
  if (response.headersSent || response.destroyed) return void response.destroy();
  if (error instanceof Refusal) return sendJson(response, error.status, error.body);
  console.error(error);
  sendJson(response, 500, { error: { message: "Internal Server Error", type: "InternalServerError", code: 500 } });
}

function sendJson(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function sendMetrics(response, text) {
  response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(text);
}

function listModels({ names, model, maxModelLength }, startedAt) {
  const created = Math.floor(startedAt / 1_000);
  const data = names.map((id) => ({
    id,
    object: "model",
    created,
    owned_by: "vllm",
    root: model,
    parent: null,
    max_model_len: maxModelLength,
    permission: [
      { id: `modelperm-${id}`, object: "model_permission", created, allow_sampling: true, organization: "*" },
    ],
  }));
  return { object: "list", data };
}

/** Where it runs, so that a test can tell the instances and their devices apart. */
function toInfo({ apiKeys }, env) {
  const shown = Object.entries(env).filter(([name]) => shownVariables.test(name) && !secrets.has(name));
  return {
    pid: process.pid,
    argv: process.argv.slice(2).map((word) => apiKeys.reduce((text, key) => text.replaceAll(key, "***"), word)),
    cuda_visible_devices: env.CUDA_VISIBLE_DEVICES ?? null,
    env: Object.fromEntries(shown),
  };
}
