import { setTimeout as pause } from "node:timers/promises";
import { type AdminDrain, type AdminStatus, checkStatus } from "./admin-answers.ts";
import { type AdminAddress, type AdminClient, createAdminClient } from "./admin-client.ts";
import { Failure, usageError } from "./failure.ts";
import { done, note } from "./output.ts";
import { showVerdict } from "./show-status.ts";

export interface UndrainOptions extends AdminAddress {
  readonly target: string | undefined;
}

export interface DrainOptions extends UndrainOptions {
  readonly reason?: string | undefined;
  /** Ends when nothing is under way on it. */
  readonly wait: boolean;
}

/** Milliseconds between two looks at what is under way. */
const interval = 500;

/** Takes a target of a running proxy out of rotation. */
export async function drain({ target: given, reason, wait, ...address }: DrainOptions): Promise<void> {
  const target = needTarget(given, "drain");
  const client = createAdminClient(address);
  const answer = await client.post<AdminDrain>("/drain", { target, ...(reason !== undefined && { reason }) });
  tell(done(`${target} gets no new requests; ${underWay(answer.inflight)}`));
  for (const { name, available } of answer.pools)
    if (available === 0) tell(note(`nothing else is available in pool ${name}: its requests are refused`));
  tellUnstored(answer);
  if (wait && answer.inflight > 0) await untilIdle(client, target, answer.inflight);
}

/** Puts it back. */
export async function undrain({ target: given, ...address }: UndrainOptions): Promise<void> {
  const target = needTarget(given, "undrain");
  const answer = await createAdminClient(address).post<AdminDrain>("/undrain", { target });
  const isBack = answer.others.length === 0;
  tell(done(isBack ? `${target} takes requests` : `${target} is drained no longer, and is down all the same:`));
  for (const verdict of answer.others) tell(`  ${showVerdict(verdict)}`);
  tellUnstored(answer);
}

async function untilIdle(client: AdminClient, target: string, first: number): Promise<void> {
  for (let shown = first; shown > 0;) {
    await pause(interval);
    const { pools, drained } = checkStatus(await client.get<AdminStatus>("/status"), client.url);
    if (!drained.some((one) => one.target === target))
      throw new Failure(1, `${target} is drained no longer: somebody else ended it`, { fix: "drain it again" });
    const inflight = pools.flatMap(({ targets }) => targets).find(({ id }) => id === target)?.inflight ?? 0;
    if (inflight !== shown) tell(inflight === 0 ? done(`${target} is idle`) : note(underWay(inflight)));
    shown = inflight;
  }
}

function needTarget(given: string | undefined, command: string): string {
  if (given !== undefined && given !== "") return given;
  throw usageError("which target?", `plugboard ${command} TARGET; plugboard status lists them`);
}

function underWay(count: number): string {
  return count === 0 ? "nothing is under way" : `${count} under way`;
}

function tellUnstored({ stored }: AdminDrain): void {
  if (stored === false) tell(note("this could not be stored, and is forgotten when the proxy restarts: see its log"));
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
