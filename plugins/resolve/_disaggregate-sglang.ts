import { type Exchange, type ExtraAnswer, ProxyError, type Reply, type Target } from "../../core/index.ts";
import { wholeBody, withRoom } from "./_disaggregate-body.ts";
import { type Handover, isMistake, isUnreachable, type Plan, type Tools } from "./_disaggregate-plan.ts";

/** Bytes that are kept of an answer: of an error, for the client; of log probabilities, to be merged. */
const mostError = 64 * 1024;
const mostLogprobs = 64 * 1024 * 1024;

/** SGLang: both targets get the same body at once, and meet in a room that it names. */
export function createSglang(tools: Tools): Handover {
  const { workers, prefillers } = tools;
  return {
    admit: () => undefined,
    decode(x, plan) {
      const target = prefillers.pick(x, plan);
      if (target === undefined) throw new ProxyError("no_targets", "No healthy prefill services available.");
      x.notes?.push(`disaggregate: two phases (sglang): prefill on ${target.id} at the same time`);
      const { bootstrapHost: host, bootstrapPort: port } = workers.of(target);
      const { upstream } = x;
      upstream.body = withRoom(wholeBody(upstream.body), { host, port, batch: plan.asked.batch });
      if (plan.asked.logprobs.sglang) delete upstream.headers["accept-encoding"];
      if (x.notes !== undefined) return;
      plan.decode = x.target?.id;
      sendBeside(tools, x, plan, target);
    },
    attemptEnd(plan, target, { kind }) {
      if (plan.decode !== target.id) return;
      plan.decode = undefined;
      const { beside } = plan;
      if (beside === undefined || kind === "ok") return;
      plan.beside = undefined;
      beside.abort();
    },
    end: () => undefined,
  };
}

function sendBeside(tools: Tools, x: Exchange, plan: Plan, target: Target): void {
  const { body } = x.upstream;
  const { logprobs } = plan.asked;
  const kept = collect(logprobs.sglang ? mostLogprobs : mostError);
  const { answer, abort } = tools.proxy.attempt(x, target, {
    selector: tools.prefillers.of(x.route!),
    limit: 0,
    onData: kept.add,
    edit(upstream) {
      upstream.body = body;
      if (logprobs.sglang) delete upstream.headers["accept-encoding"];
    },
  });
  const beside: NonNullable<Plan["beside"]> = { abort, pending: true };
  plan.beside = beside;
  const isCurrent = (): boolean => {
    beside.pending = false;
    return plan.beside === beside && !plan.over;
  };
  answer.then(
    (head) => {
      const ok = head.status >= 200 && head.status < 300;
      if (!isCurrent()) return;
      if (ok) plan.answer = kept.whole();
      else failed(tools, x, plan, target, toRefusal(head, kept.whole()));
    },
    (error: unknown) => {
      // A decode target that answers already may have all it needs, and notices by itself if it does not.
      const matters = !x.committed || isUnreachable(error);
      if (isCurrent() && matters) failed(tools, x, plan, target, undefined);
    },
  );
}

/** The decode target would wait for what never comes. */
function failed(tools: Tools, x: Exchange, plan: Plan, target: Target, refusal: Reply | undefined): void {
  const { proxy, prefillers, prefillAttempts } = tools;
  plan.beside = undefined;
  plan.refusal = refusal;
  plan.failed.push(target.id);
  const isLast = plan.failed.length >= prefillAttempts || prefillers.left(x, plan).length === 0;
  // What one target takes for a mistake of the client the next one will too.
  if (refusal !== undefined || isLast) plan.phases = "one";
  proxy.log.debug(`prefill target ${target.id} failed a request`);
  proxy.abandon(x, new ProxyError("prefill_failed", "The prefill service failed."));
}

function collect(most: number): { add(chunk: Uint8Array): void; whole(): Uint8Array | undefined } {
  const chunks: Uint8Array[] = [];
  let length = 0;
  return {
    add(chunk) {
      length += chunk.length;
      if (length <= most) chunks.push(chunk);
      else chunks.length = 0;
    },
    whole: () => (length > most ? undefined : Buffer.concat(chunks)),
  };
}

/** What the client is told of its own mistake, should no other target tell it. */
function toRefusal({ status, headers }: ExtraAnswer, body: Uint8Array | undefined): Reply | undefined {
  if (!isMistake(status) || body === undefined) return undefined;
  const kept = ["content-type", "content-encoding"].flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { status, headers: Object.fromEntries(kept), body };
}
