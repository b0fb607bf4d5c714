import type { Backend } from "./_backend-options.ts";
import type { BackendState, BackendStatus } from "./_backend-status.ts";
import { toOrigin } from "./_ready-port.ts";
import type { RegistrationBody, Registrar } from "./_registrar.ts";

/** Tells a registry of one backend: of its babysitter by its name, and of itself by `<name>-server`. */
export interface Announcer {
  /** Where it is told, and what beside its status; another registrar than before: no more with that one. */
  use(registrar: Registrar | undefined, options: Backend): void;
  /** Of all that changes from now on. */
  open(status: BackendStatus): void;
  tell(status: BackendStatus): void;
  /** Takes the server back; resolves when the registry knows, or soon. */
  withdraw(): Promise<void>;
  /** Takes all of it back, and tells nothing more; with `keepName`, another one speaks by that name from now on. */
  close(keepName?: boolean): Promise<void>;
}

/** Whoever asks the original registry for what is running gets what can take requests. */
const words: Readonly<Record<BackendState, string>> = {
  ready: "running",
  starting: "starting",
  unready: "unready",
  waiting: "stopped",
  stopping: "stopped",
  stopped: "stopped",
  dead: "stopped",
};

/** @param controlPort of the babysitter; undefined: it has none, and is not told of */
export function createAnnouncer(controlPort: () => number | undefined): Announcer {
  let registrar: Registrar | undefined;
  let options: Backend | undefined;
  let status: BackendStatus | undefined;
  /** It was ready once since it was last taken back. */
  let served = false;
  let open = false;
  const told = new Set<string>();
  let dropping: Promise<unknown> = Promise.resolve();

  function announce(): void {
    if (!open || registrar === undefined || options === undefined || status === undefined) return;
    const control = controlPort();
    if (control !== undefined) set(registrar, babysitterOf(options, control));
    served ||= status.state === "ready" && status.models !== undefined;
    if (served) set(registrar, serverOf(options, status));
  }

  function set(to: Registrar, body: RegistrationBody): void {
    told.add(body.name);
    to.set(body);
  }

  function drop(from: Registrar | undefined, names: readonly string[]): Promise<unknown> {
    const known = names.filter((name) => told.delete(name));
    return (dropping = Promise.all([dropping, ...known.map((name) => from?.drop(name))]));
  }

  return {
    use(next, terms) {
      if (registrar !== next) void drop(registrar, [...told]);
      registrar = next;
      options = terms;
      announce();
    },
    open(current) {
      open = true;
      status = current;
      announce();
    },
    tell(current) {
      status = current;
      announce();
    },
    async withdraw() {
      served = false;
      await drop(registrar, options === undefined ? [] : [serverName(options.name)]);
    },
    async close(keepName = false) {
      open = served = false;
      if (keepName && options !== undefined) told.delete(options.name);
      await drop(registrar, [...told]);
    },
  };
}

function serverName(name: string): string {
  return `${name}-server`;
}

function babysitterOf({ name, host, type }: Backend, port: number): RegistrationBody {
  const url = toOrigin(host, port);
  return { name, host, port, hostname: host, url, status: "running", metadata: { type, babysitter: "enhanced" } };
}

function serverOf(
  { name, host, weight, metadata }: Backend,
  { port, state, models = [] }: BackendStatus,
): RegistrationBody {
  return {
    name: serverName(name),
    host,
    port,
    hostname: host,
    url: toOrigin(host, port),
    status: words[state],
    ...(weight !== undefined && { weight }),
    metadata: {
      type: "openai-api",
      parent_service: name,
      babysitter: "enhanced",
      models: models.map(({ id }) => id),
      models_list: models,
      ...metadata,
    },
  };
}
