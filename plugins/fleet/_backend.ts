import type { ConsolaInstance } from "consola";
import { createAnnouncer } from "./_backend-announcer.ts";
import type { Backend } from "./_backend-options.ts";
import { keepRunning } from "./_backend-keep.ts";
import { type BackendSite, endOrphans, type RunEnd } from "./_backend-run.ts";
import { type BackendStatus, createStatusBoard } from "./_backend-status.ts";
import { createBackendControl } from "./_control.ts";
import { createReadyProbe, type ReadyProbeOptions } from "./_ready.ts";
import { findFreePort, probeHosts } from "./_ready-port.ts";
import type { Registrar } from "./_registrar.ts";
import { createOutput } from "./_ring-output.ts";

/** What may change while a backend runs. */
export interface BackendTerms {
  readonly options: Backend;
  readonly registrar: Registrar | undefined;
  /** Its output goes to the log. */
  readonly logged: boolean;
  /** What else is filled in for a `{word}` of the command. */
  readonly words?: ReadonlyMap<string, string>;
  /** Arguments behind those of the command, passed as they are. */
  readonly args?: readonly string[];
  /** How it is asked whether it is ready. @default as backends of InfiniLM are */
  readonly probe?: ReadyProbeOptions;
  /** Told how each run ended, unless it was stopped. */
  readonly ended?: (end: RunEnd) => void;
}

export interface BackendTools {
  readonly log: ConsolaInstance;
  readonly random: () => number;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
}

/** One backend: its process, started again when it ends, until it is stopped. */
export interface KeptBackend {
  readonly options: Backend;
  readonly status: BackendStatus;
  onChange(listener: (status: BackendStatus) => void): () => void;
  /** Program, arguments, directory, environment, host and ports must be the same as before. */
  use(terms: BackendTerms): void;
  /** Chooses the port where that was left open. */
  choosePort(): Promise<void>;
  /** Serves its control port, and tells the registry of it. It is not started before `after` has settled. */
  open(after?: Promise<unknown>): void;
  /** Runs it from now on; does nothing when it is wanted already. */
  start(): void;
  /** Resolves when all of its processes are gone; it may be started again. */
  stop(): Promise<void>;
  /** Stops it, and leaves its ports to another one, and with `keepName` its name; `open` takes them back. */
  giveWay(keepName: boolean): Promise<void>;
  /** Stops it for good. */
  close(): Promise<void>;
}

export function createBackend(first: BackendTerms, tools: BackendTools): KeptBackend {
  const { log, now } = tools;
  const { name } = first.options;
  let terms = first;
  let wanted: AbortController | undefined;
  let running: Promise<void> = Promise.resolve();
  let closed: Promise<void> | undefined;
  const board = createStatusBoard(first.options.port);
  const controlPort = (): number | undefined => controlPortOf(terms.options, board.status.port);
  const announcer = createAnnouncer(controlPort);
  const probe = createReadyProbe(first.options.host, first.probe);
  const output = createOutput({ now, log: (line) => terms.logged && log.info(`${name}: ${line}`) });
  const site: BackendSite = { ...tools, terms: () => terms, board, probe, output, announcer };
  const control = createBackendControl({ options: () => terms.options, status: () => board.status, output, log });
  let state = board.status.state;
  let open = false;
  /** What has to be over before it is started. */
  let gate: Promise<unknown> = Promise.resolve();
  announcer.use(first.registrar, first.options);

  board.onChange((status) => {
    if (open) control.listen(controlPort());
    announcer.tell(status);
    if (status.state !== state) tellState(log, name, status, state === "unready");
    state = status.state;
  });

  async function stop(): Promise<void> {
    wanted?.abort();
    wanted = undefined;
    await running;
    if (wanted !== undefined) return;
    await announcer.withdraw();
    board.set({ state: "stopped", reason: "", pid: undefined });
  }

  async function giveWay(keepName: boolean): Promise<void> {
    open = false;
    await Promise.all([announcer.close(keepName), control.close(), stop()]);
  }

  async function close(): Promise<void> {
    await stop();
    open = false;
    await Promise.all([announcer.close(), control.close(), probe.close()]);
  }

  return {
    get options() {
      return terms.options;
    },
    get status() {
      return board.status;
    },
    onChange: (listener) => board.onChange(listener),
    use(next) {
      terms = next;
      announcer.use(next.registrar, next.options);
    },
    async choosePort() {
      if (board.status.port > 0) return;
      const { host, control: given } = terms.options;
      const port = await findFreePort(probeHosts(host), given === undefined);
      if (board.status.port === 0) board.set({ port });
    },
    open(after) {
      if (closed !== undefined) return;
      if (after !== undefined) gate = Promise.all([gate, after]);
      if (open) return;
      open = true;
      gate = Promise.all([gate, endOrphans(site)]);
      control.listen(controlPort());
      announcer.open(board.status);
    },
    start() {
      if (wanted !== undefined || closed !== undefined) return;
      const { signal } = (wanted = new AbortController());
      board.set({ state: "waiting", reason: "whatever runs from before is being ended" });
      running = Promise.all([running, gate])
        .then(() => keepRunning(site, signal))
        .catch((error: unknown) => {
          board.set({ state: "dead", reason: "its keeper failed" });
          log.error(`${name} cannot be kept:`, error);
        });
    },
    stop,
    giveWay,
    close: () => (closed ??= close()),
  };
}

function controlPortOf({ control }: Backend, port: number): number | undefined {
  if (control === false || (control === undefined && port === 0)) return undefined;
  return control ?? port + 1;
}

function tellState(log: ConsolaInstance, name: string, status: BackendStatus, again: boolean): void {
  const { state, reason, startup, models } = status;
  const list = models === undefined || models.length === 0 ? "" : `, models: ${models.map(({ id }) => id).join(", ")}`;
  if (state === "ready" && again) log.info(`${name} answers again`);
  else if (state === "ready") log.info(`${name} is ready after ${(startup / 1_000).toFixed(1)} s${list.slice(0, 500)}`);
  else if (state === "unready") log.warn(`${name} does not answer any more: ${reason}`);
  else if (state === "stopped") log.info(`${name} is stopped`);
}
