#!/usr/bin/env node
// Stands in for vLLM on a machine without GPU: its flags, its HTTP, its metrics, and words that it makes up.
//
//   vllm-stand-in.mjs serve MODEL [flags]
//   vllm-stand-in.mjs -m vllm.entrypoints.openai.api_server --model MODEL [flags]
//
// STANDIN_LOAD_MS    milliseconds until it listens, as a model takes time to load (default 0)
// STANDIN_TOKEN_MS   milliseconds from token to token (default 0)
// STANDIN_FAIL       exits with code 1 instead of listening
//
// POST /stand-in/hang and /stand-in/resume stop and start the engine, while /health goes on with 200; GET /stand-in/info
// tells the process, its arguments and its devices.
import { createEngine } from "./_stand-in-engine.mjs";
import { readCommand, UsageError } from "./_stand-in-flags.mjs";
import { createStandIn } from "./_stand-in-server.mjs";

main();

function main() {
  const settings = readOrExit();
  for (const note of settings.notes) console.error(`vllm-stand-in: accepted and ignored: ${note}`);
  const { tensorParallel, pipelineParallel } = settings;
  const devices = countDevices(process.env.CUDA_VISIBLE_DEVICES);
  const needed = tensorParallel * pipelineParallel;
  if (devices < needed) {
    console.error(`ValueError: World size (${needed}) is larger than the number of available GPUs (${devices}).`);
    process.exit(1);
  }
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => process.exit(0));
  log("api_server.py:1896", "vLLM API server version 0.10.2");
  log("core.py:75", `Initializing a V1 LLM engine for model ${settings.model}, dtype=${settings.dtype}`);
  setTimeout(() => serve(settings), settings.loadMs);
}

function readOrExit() {
  try {
    const settings = readCommand(process.argv.slice(2));
    return { ...settings, loadMs: milliseconds("STANDIN_LOAD_MS"), tokenMs: milliseconds("STANDIN_TOKEN_MS") };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return process.exit(2);
  }
}

function milliseconds(name) {
  const value = process.env[name] || "0";
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new UsageError(`vllm-stand-in: ${name} is "${value}", and must be a number of milliseconds`);
}

/** As CUDA reads the list: up to the first that is none. Without a list any number will do. */
function countDevices(list) {
  if (list === undefined) return Infinity;
  const devices = list.split(",").map((device) => device.trim());
  const end = devices.findIndex((device) => device === "" || device.startsWith("-"));
  return new Set(end === -1 ? devices : devices.slice(0, end)).size;
}

function serve(settings) {
  if (process.env.STANDIN_FAIL) {
    console.error("RuntimeError: Engine core initialization failed. See root cause above.");
    process.exit(1);
  }
  const engine = createEngine(settings);
  const server = createStandIn(settings, engine);
  server.on("error", (error) => {
    console.error(`OSError: ${error.message}`);
    process.exit(1);
  });
  // No host is all addresses, as vLLM has it; of IPv4, which is what it says then.
  const host = settings.host === "" ? "0.0.0.0" : settings.host;
  server.listen(settings.port, host, () => {
    const { port } = server.address();
    const shown = host.includes(":") ? `[${host}]` : host;
    log("api_server.py:1971", `Starting vLLM API server 0 on http://${shown}:${port}`);
    console.log("INFO:     Application startup complete.");
  });
}

function log(place, text) {
  const time = new Date().toISOString().slice(5, 19).replace("T", " ");
  console.log(`INFO ${time} [${place}] ${text}`);
}
