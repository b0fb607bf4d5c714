import type { Engines, Phase } from "./_inference-engines.ts";
import type { Page } from "./_inference-http.ts";
import type { Instance, Run } from "./_inference-run.ts";

/** The words of the original, and one for what it does not tell. */
const words: Readonly<Record<Phase, string>> = {
  idle: "not_started",
  starting: "in_progress",
  running: "completed",
  failed: "failed",
  stopping: "stopping",
};

export function toStatus({ phase, run }: Engines): object {
  return {
    status: words[phase],
    is_starting: phase === "starting",
    is_running: phase === "running",
    error: phase === "failed" ? run?.error : null,
    ...(run === undefined ? nothing : toRun(run)),
  };
}

const nothing = { elapsed_seconds: null, model: null, dtype: null, instances: [] };

function toRun({ elapsed, request, instances }: Run): object {
  const { model, dtype } = request;
  return { elapsed_seconds: elapsed / 1_000, model, dtype, instances: instances.map((one) => toEntry(one)) };
}

function toEntry({ backend, devices }: Instance): object {
  const { state, reason, since, port, restarts, pid } = backend.status;
  const { name } = backend.options;
  return { name, port, devices, state, reason, since: new Date(since).toISOString(), restarts, pid: pid ?? null };
}

export function toState({ phase }: Engines): string {
  return phase === "idle" || phase === "failed" ? "STOPPED" : "INFERENCE";
}

export function toHealth(engines: Engines): Page {
  const { phase, ready } = engines;
  const running = phase === "running";
  const healthy = !running || ready;
  return {
    status: healthy ? 200 : 503,
    body: {
      status: healthy ? "healthy" : "unhealthy",
      service_state: toState(engines),
      managers: { inference: { running, healthy } },
    },
  };
}

export function toReadiness({ phase, ready }: Engines): Page {
  const takes = ready || phase === "idle" || phase === "failed";
  return { status: takes ? 200 : 503, body: { ready: takes } };
}
