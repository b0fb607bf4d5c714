import * as v from "valibot";
import type { BackendTerms, KeptBackend } from "./_backend.ts";
import { type Backend, backendSchema } from "./_backend-options.ts";
import { pause } from "./_backend-pause.ts";
import { refusal } from "./_inference-http.ts";
import type { UpRequest } from "./_inference-request.ts";
import type { InferenceSettings } from "./inference-control.ts";

/** Of the names of all instances, by which what a killed proxy left behind is known again. */
export const namePrefix = "inference-";

export function termsOf(
  { model, dtype, args }: UpRequest,
  { output, ready: { timeout } }: InferenceSettings,
  options: Backend,
): BackendTerms {
  const words = new Map([
    ["model", model],
    ["dtype", dtype],
  ]);
  return { options, registrar: undefined, logged: output === "log", words, args, probe: { path: "/health", timeout } };
}

export function toBackend(settings: InferenceSettings, number: number, devices: readonly string[]): Backend {
  const { command, env, host, port, ready, backoff, stop } = settings;
  const { interval, check, fall } = ready;
  return v.parse(backendSchema, {
    name: `${namePrefix}${number}`,
    command,
    env: { ...env, ...(devices.length > 0 && { CUDA_VISIBLE_DEVICES: devices.join(",") }) },
    host,
    port: port === 0 ? 0 : port + number,
    control: false,
    type: "vLLM",
    ready: { interval, check, fall },
    restart: backoff,
    stop,
  });
}

/** One after the other: loading a model takes memory and disk that another one needs at that time too. */
export async function staggered(backends: readonly KeptBackend[], wait: number, signal: AbortSignal): Promise<void> {
  for (const [index, backend] of backends.entries()) {
    if (index > 0) await pause(wait, signal);
    if (signal.aborted) return;
    backend.open();
    backend.start();
  }
}

/** Rejects with the reason for which `life` ends. */
export function untilReady(
  backends: readonly KeptBackend[],
  life: AbortController,
  deadline: number,
  reached: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      for (const forget of watching) forget();
      life.signal.removeEventListener("abort", over);
      done();
    };
    const over = (): void => settle(() => reject(life.signal.reason as Error));
    const late = refusal("late", `VLLM failed to start: no instance answered within ${deadline} ms.`);
    const timer = setTimeout(() => life.abort(late), deadline);
    const succeed = (): void => {
      reached();
      resolve();
    };
    const watching = backends.map((backend) => backend.onChange(({ state }) => state === "ready" && settle(succeed)));
    life.signal.addEventListener("abort", over);
  });
}
