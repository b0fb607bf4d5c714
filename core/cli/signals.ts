import { Failure } from "./failure.ts";
import { note, type Output } from "./output.ts";

/** What signals act upon, once it is there. */
export interface Running {
  /** Exchanges under way. */
  active(): number;
  reload(): void;
  /** Lets what is under way end, for that many milliseconds at most; a second call ends it at once. */
  close(deadline?: number): Promise<void>;
}

/** Milliseconds that exchanges under way get when the process itself is broken. */
const brokenDeadline = 10_000;

/**
 * Drains on SIGTERM and SIGINT, reloads on SIGHUP, and does not go on after an error that no one caught. To be called
 * before anything is started; the function it returns is told what was.
 */
export function handleSignals(output: Output): (running: Running) => void {
  let running: Running | undefined;
  let stops = 0;
  let broken = false;

  async function stop(signal: NodeJS.Signals): Promise<void> {
    stops += 1;
    if (running === undefined || stops > 2) process.exit(0);
    if (stops === 1) tellDraining(output, signal, running.active());
    await running.close();
    output.tell("closed", note("closed"));
    process.exit(0);
  }

  async function fail(error: unknown): Promise<void> {
    if (broken) process.exit(1);
    broken = true;
    output.warn("fatal", new Failure(1, `an error was not caught: ${String(error)}`, { cause: error }));
    await running?.close(brokenDeadline);
    process.exit(1);
  }

  process.on("SIGTERM", (signal) => void stop(signal));
  process.on("SIGINT", (signal) => void stop(signal));
  process.on("SIGHUP", () => running?.reload());
  process.on("uncaughtException", (error) => void fail(error));
  process.on("unhandledRejection", (error) => void fail(error));
  return (started) => {
    running = started;
  };
}

function tellDraining(output: Output, signal: NodeJS.Signals, active: number): void {
  // A terminal has just printed ^C.
  const gap = signal === "SIGINT" && process.stdout.isTTY ? "\n" : "";
  const requests = active === 1 ? "1 request is" : `${active} requests are`;
  const text = note(`${signal}: draining, ${requests} under way; a second signal ends at once`);
  output.tell("draining", `${gap}${text}`, { signal, active });
}
