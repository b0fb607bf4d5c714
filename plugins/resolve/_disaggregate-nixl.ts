import { type Exchange, isProxyError, type Target } from "../../core/index.ts";
import { keepForDecode, readHandle, shortened, wholeBody, withHandle } from "./_disaggregate-body.ts";
import { type Handover, isMistake, isUnreachable, type Plan, type Tools } from "./_disaggregate-plan.ts";

/** Bytes: block lists of long prompts, and their log probabilities where they are asked for. */
const mostAnswer = 64 * 1024 * 1024;
/** Milliseconds a decode target may take to pull what nobody wants any more. */
const releaseTime = 10_000;
const releaseAttempts = 3;

/**
 * vLLM's NixlConnector: the prefill target answers with a handle, by which the decode target pulls what it computed. What
 * is still in hand at the end a decode target has to pull and drop.
 */
export function createNixl(tools: Tools): Handover {
  return {
    admit: (x, plan) => askInTurn(tools, x, plan),
    decode(x, plan) {
      if (!plan.spent) return splice(x, plan);
      return askInTurn(tools, x, plan).then(() => splice(x, plan));
    },
    attemptEnd(plan, target, { sent }) {
      if (plan.decode !== target.id) return;
      plan.decode = undefined;
      if (plan.handle === undefined || !sent) return;
      plan.handle = undefined;
      plan.spent = true;
    },
    end: (x, plan) => void release(tools, x, plan),
  };
}

/** Leaves the plan with a handle, without one, or with one phase. */
async function askInTurn(tools: Tools, x: Exchange, plan: Plan): Promise<void> {
  const { proxy, prefillers, prefillAttempts } = tools;
  if (x.notes !== undefined) {
    x.notes.push(`disaggregate: two phases (nixl): prefill on ${prefillers.pick(x, plan)?.id}, then decode`);
    return;
  }
  for (let i = 0; i < prefillAttempts; i++) {
    const target = prefillers.pick(x, plan);
    if (target === undefined) break;
    const decided = await ask(tools, x, plan, target);
    if (plan.over || decided) return;
    plan.failed.push(target.id);
    proxy.log.debug(`prefill target ${target.id} failed a request`);
  }
  plan.phases = "one";
}

/** False: another prefill target may do better. */
async function ask({ proxy, prefillers }: Tools, x: Exchange, plan: Plan, target: Target): Promise<boolean> {
  const { answer } = proxy.attempt(x, target, {
    selector: prefillers.of(x.route!),
    limit: mostAnswer,
    edit(upstream) {
      upstream.body = shortened(wholeBody(upstream.body), x.path, keepForDecode);
      upstream.headers["accept"] = "application/json";
      delete upstream.headers["accept-encoding"];
    },
  });
  try {
    const { status, body } = await answer;
    if (isMistake(status)) plan.phases = "one";
    else if (status < 200 || status > 299) return false;
    else take(plan, body);
    return true;
  } catch (error) {
    if (plan.over || isFaultOfTarget(error)) return false;
    throw error;
  }
}

function take(plan: Plan, answer: Uint8Array): void {
  plan.handle = readHandle(answer);
  plan.spent = false;
  if (plan.asked.logprobs.nixl) plan.answer = answer;
}

function splice({ upstream, target }: Exchange, plan: Plan): void {
  if (plan.phases !== "two") return;
  plan.decode = target?.id;
  if (plan.handle !== undefined) upstream.body = withHandle(wholeBody(upstream.body), plan.handle);
  if (plan.answer !== undefined) delete upstream.headers["accept-encoding"];
}

/** Those that were not tried come first, then those with little to do. */
async function release(tools: Tools, x: Exchange, plan: Plan): Promise<void> {
  const { handle } = plan;
  if (handle === undefined) return;
  plan.handle = undefined;
  const { decode = [] } = tools.workers.partition(x.route!.candidates())?.pairs.get(plan.pair) ?? {};
  const wasTried = ({ id }: Target): number => Number(x.tried.some((target) => target.id === id));
  const order = decode.toSorted((a, b) => wasTried(a) - wasTried(b) || a.live.inflight - b.live.inflight);
  for (const target of order.slice(0, releaseAttempts)) {
    if (await pullAndDrop(tools, x, target, handle)) return;
  }
  tools.proxy.log.debug("a handle could not be given back; it is lost until its lease ends");
}

/** False: the target was not reached, or broke off before its answer. */
async function pullAndDrop({ proxy }: Tools, x: Exchange, target: Target, handle: Uint8Array): Promise<boolean> {
  const { answer } = proxy.attempt(x, target, {
    detached: releaseTime,
    limit: 0,
    edit(upstream) {
      upstream.body = shortened(wholeBody(upstream.body), x.path, handle);
      upstream.headers["accept"] = "application/json";
    },
  });
  return answer.then(
    () => true,
    (error: unknown) => !isUnreachable(error) && !isUnanswered(error),
  );
}

/** It may have pulled all the same. What is pulled a second time vLLM logs and ignores, and here nobody reads it. */
function isUnanswered(error: unknown): boolean {
  return isProxyError(error) && error.code === "upstream_reset" && error.phase === "send";
}

/** `invalid_json` is that of the answer, as the request was read before. */
const otherwise: ReadonlySet<string> = new Set(["invalid_json", "overloaded"]);

/** What this side did wrong, and what the client did, is not tried again elsewhere. */
function isFaultOfTarget(error: unknown): boolean {
  return isProxyError(error) && (error.source === "upstream" || otherwise.has(error.code));
}
