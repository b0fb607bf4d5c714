import { type BackendTerms, type BackendTools, createBackend, type KeptBackend } from "./_backend.ts";
import type { Backend } from "./_backend-options.ts";
import { findDevices, sliceDevices } from "./_inference-devices.ts";
import { isRefusal, type Refusal, refusal } from "./_inference-http.ts";
import { staggered, termsOf, toBackend, untilReady } from "./_inference-instances.ts";
import type { UpRequest } from "./_inference-request.ts";
import type { InferenceSettings } from "./inference-control.ts";

export interface Instance {
  readonly backend: KeptBackend;
  /** None: it was told nothing of devices. */
  readonly devices: readonly string[];
}

/** What came of one `up`, until all of it is gone. */
export interface Run {
  readonly request: UpRequest;
  readonly phase: "starting" | "running" | "failed";
  /** Why it failed. */
  readonly error: string | undefined;
  readonly instances: readonly Instance[];
  /** Milliseconds that its start took, or takes so far. */
  readonly elapsed: number;
  /** Resolves when an instance answers; rejects with a refusal, once everything is stopped again. */
  readonly ready: Promise<void>;
  /** Resolves when nothing is left. A start under way is refused for that reason. */
  stop(why: Refusal, drain: number): Promise<void>;
}

/** Where the instances are shown to those who send requests. */
export interface Shop {
  show(backends: readonly KeptBackend[]): void;
  /** Takes them away, and resolves when their requests have ended, or `drain` milliseconds are over. */
  hide(drain: number): Promise<void>;
}

export interface RunOptions {
  readonly request: UpRequest;
  readonly settings: InferenceSettings;
  readonly tools: BackendTools;
  readonly shop: Shop;
  /** What has to be over before anything is started. */
  readonly before: Promise<unknown>;
}

export function startRun({ request, settings, tools, shop, before }: RunOptions): Run {
  const { log, now } = tools;
  const life = new AbortController();
  const startedAt = now();
  let phase: Run["phase"] = "starting";
  let error: string | undefined;
  let tookUntil: number | undefined;
  let instances: readonly Instance[] = [];
  let stopping: Promise<void> | undefined;

  /** While it starts an end is a failure; later on it is started again. */
  function toTerms(options: Backend): BackendTerms {
    if (phase !== "starting") return termsOf(request, settings, options);
    const fail = (why: string): void => life.abort(refusal("failed", `VLLM failed to start: ${why}.`));
    return {
      ...termsOf(request, settings, { ...options, restart: { ...options.restart, max: 0 } }),
      ended: ({ refused, reason }) => fail(`${options.name} ${refused ? "is not started: " : ""}${reason}`),
    };
  }

  async function start(): Promise<void> {
    await before;
    const { gpus, maxInstances, stagger } = settings;
    const slices = sliceDevices(await findDevices(gpus), request.devices, maxInstances);
    life.signal.throwIfAborted();
    const options = slices.map((devices, index) => toBackend(settings, index + 1, devices));
    instances = options.map((one, index) => ({
      backend: createBackend(toTerms(one), tools),
      devices: slices[index] as readonly string[],
    }));
    const backends = instances.map(({ backend }) => backend);
    await Promise.all(backends.map((backend) => backend.choosePort()));
    life.signal.throwIfAborted();
    shop.show(backends);
    log.info(
      `${JSON.stringify(request.model).slice(0, 200)} is started ${backends.length === 1 ? "once" : `${backends.length} times`}`,
    );
    void staggered(backends, stagger, life.signal);
    await untilReady(backends, life, settings.ready.deadline, () => {
      phase = "running";
      for (const [index, backend] of backends.entries()) backend.use(toTerms(options[index] as Backend));
    });
  }

  async function begin(): Promise<void> {
    try {
      await start();
    } catch (cause) {
      const why = isRefusal(cause) ? cause : refusal("failed", "VLLM failed to start.");
      if (stopping === undefined) {
        log.error(why.message, ...(isRefusal(cause) ? [] : [cause]));
        [phase, error] = ["failed", why.message];
      }
      await stop(why, 0);
      throw why;
    } finally {
      tookUntil = now();
    }
  }

  async function end(why: Refusal, drain: number): Promise<void> {
    life.abort(why);
    await shop.hide(drain);
    await Promise.all(instances.map(({ backend }) => backend.close()));
  }

  function stop(why: Refusal, drain: number): Promise<void> {
    return (stopping ??= end(why, drain));
  }

  const ready = begin();
  // Whoever does not wait for it reads it off the status.
  ready.catch(() => undefined);
  return {
    request,
    ready,
    stop,
    get phase() {
      return phase;
    },
    get error() {
      return error;
    },
    get instances() {
      return instances;
    },
    get elapsed() {
      return (tookUntil ?? now()) - startedAt;
    },
  };
}
