// The vLLM proxy of an MLNode: starts engines, sends /v1 to them. Run it: npx plugboard --config examples/vllm/proxy.config.ts
import { readFile } from "node:fs/promises";
import { defineProxy, env } from "plugboard";
import { anyAvailable, hangCheck, inferenceControl, leastConnections } from "plugboard/plugins";
import { openaiErrors, sse, stats, vllmErrors } from "plugboard/plugins";

const seconds = (name: string, fallback: string): number => Math.round(Number(env(name, fallback)) * 1_000);
// The original listens on 0.0.0.0 and takes orders from everyone; from other machines this one needs CONTROL_TOKEN.
const host = env("BIND", "127.0.0.1");
const port = Number(env("INFERENCE_PORT", "5000"));
// One failed look takes an engine out, one good look brings it back. The newer rule is 2, 3 and 10.
const check = seconds("HEALTH_SEC", "5");
const look = { check, fall: Number(env("HEALTH_FALL", "1")), timeout: seconds("HEALTH_TIMEOUT_SEC", "2") };
// The plain texts of a version of the original: "first" or "newer".
const texts = env("PLAIN_ERRORS", "") as "" | "first" | "newer";
const errors = texts === "" ? openaiErrors() : vllmErrors({ version: texts });
const hangs = hangCheck({ interval: check, grace: seconds("MLNODE_HANG_GRACE_SEC", "120") });
const flags = ["--model", "{model}", "--dtype", "{dtype}", "--host", "{host}", "--port", "{port}"];

const management = inferenceControl({
  command: [env("VLLM_PYTHON_PATH", "python3"), "-m", "vllm.entrypoints.openai.api_server", ...flags],
  port, // the first engine has the one after it
  maxInstances: Number(env("INFERENCE_MAX_INSTANCES", "128")),
  stagger: seconds("STAGGER_SEC", "5"),
  ready: { deadline: seconds("START_SEC", "1200"), ...look },
  token: process.env["CONTROL_TOKEN"] || undefined,
  health: true,
});

export default defineProxy({
  port: 8000,
  host,
  plugins: [hangs, leastConnections(), sse({ idle: 900_000 }), errors, stats()],
  mounts: [
    { path: "/v1" },
    { path: "/docs", handler: () => readFile(new URL("README.md", import.meta.url), "utf8") },
    { path: "/", plugins: [management], handler: () => Response.json({ detail: "Not Found" }, { status: 404 }) },
  ],
  listeners: {
    compat: { port, host, when: anyAvailable(), mounts: [{ path: "/" }] },
    admin: { port: Number(env("ADMIN_PORT", "9000")), control: ["stats"] },
  },
  timeouts: { headers: 900_000, idle: 900_000 },
  limits: { drain: seconds("DRAIN_SEC", "10"), drainDelay: 0, drainIdle: 0 },
});
