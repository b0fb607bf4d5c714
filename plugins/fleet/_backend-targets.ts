import type { DiscoverySink, Reporter, TargetSpec } from "../../core/index.ts";
import type { KeptBackend } from "./_backend.ts";
import type { Backend } from "./_backend-options.ts";
import { type BackendStatus, whyDown } from "./_backend-status.ts";
import { probeHosts, toOrigin } from "./_ready-port.ts";

/** The target of a backend; without a status, as much as is known before it runs. */
export function toTarget(options: Backend, status?: Pick<BackendStatus, "port" | "models">): TargetSpec {
  const { name, host, weight, metadata } = options;
  const models = status?.models?.map(({ id }) => id) ?? options.models;
  return {
    id: name,
    url: toOrigin(reachable(host), status?.port ?? options.port),
    ...(weight !== undefined && { weight }),
    ...(models !== undefined && { models }),
    meta: metadata,
  };
}

/** Keeps targets and their health as the backends are, until `signal` aborts. */
export function followBackends(
  backends: readonly KeptBackend[],
  sink: DiscoverySink,
  reporter: Reporter,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  sink.replace(backends.map(({ options, status }) => toTarget(options, status)));
  for (const backend of backends) {
    const { name } = backend.options;
    let told: BackendStatus | undefined;
    const tell = (status: BackendStatus): void => {
      // Before it is up: a request must not choose it for models it does not have.
      if (told !== undefined && (status.port !== told.port || status.models !== told.models))
        sink.upsert(toTarget(backend.options, status));
      const down = whyDown(status);
      if (down === undefined) reporter.up(name);
      else if (told === undefined || down !== whyDown(told)) reporter.down(name, down);
      told = status;
    };
    tell(backend.status);
    signal.addEventListener("abort", backend.onChange(tell), { once: true });
  }
}

/** Who is said to be everywhere is here. */
function reachable(host: string): string {
  return host === "0.0.0.0" || host === "::" ? (probeHosts(host)[0] ?? host) : host;
}
