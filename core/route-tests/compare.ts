import { suggest } from "../config/suggest.ts";
import type { CandidateExplanation, Explanation } from "../explain/explanation.ts";
import type { RouteExpectation } from "./define.ts";
import { compareModel, compareUpstream } from "./compare-upstream.ts";
import type { Difference } from "./difference.ts";
import { equal, whyNone } from "./equal.ts";
import { toPattern } from "./pattern.ts";

export interface Compared {
  readonly explanation: Explanation;
  /** Ids of all targets that the config knows, in whatever pool. */
  readonly known: ReadonlySet<string>;
  readonly draws: number;
  /** Per cent points. */
  readonly within: number;
}

type Value<K extends keyof RouteExpectation> = NonNullable<RouteExpectation[K]>;
type Comparison<K extends keyof RouteExpectation> = (expected: Value<K>, found: Compared) => Difference[];

const comparisons: { readonly [K in Exclude<keyof RouteExpectation, "draws" | "seed" | "within">]-?: Comparison<K> } = {
  route: (expected, { explanation }) => equal("route", expected, explanation.route?.name, explanation),
  selector: (expected, { explanation }) => equal("selector", expected, explanation.route?.selector, explanation),
  target: (expected, { explanation, known }) => {
    const [first] = explanation.attempts;
    return equal("target", expected, first, explanation).map((difference) => hintAt(difference, [expected], known));
  },
  attempts: (expected, { explanation, known }) => {
    const { attempts: received } = explanation;
    if (isSame(expected, received)) return [];
    return [hintAt({ path: "attempts", expected, received, ...whyNone(explanation) }, expected, known)];
  },
  candidates: compareCandidates,
  dropped: (expected, found) => Object.entries(expected).flatMap(([id, reason]) => compareDropped(id, reason, found)),
  model: (expected, { explanation }) => compareModel(expected, explanation),
  upstream: (expected, { explanation }) => compareUpstream(expected, explanation),
  status: (expected, { explanation }) => equalReply("status", expected, explanation.reply?.status, explanation),
  code: (expected, { explanation }) => equalReply("code", expected, explanation.reply?.code, explanation),
  share: compareShare,
};

/** All that differs from what a test expects. */
export function compare(expectation: RouteExpectation, found: Compared): Difference[] {
  const differences = Object.entries(comparisons).flatMap(([key, comparison]) => {
    const expected = expectation[key as keyof RouteExpectation];
    if (expected === undefined) return [];
    // Each comparison stands under the key of what it compares.
    return (comparison as (expected: unknown, found: Compared) => Difference[])(expected, found);
  });
  return [...differences, ...unexpectedReply(expectation, found)];
}

/** A plugin that fails over the first attempt leaves a target that looks right. */
function unexpectedReply({ status, code }: RouteExpectation, { explanation }: Compared): Difference[] {
  const { attempts, reply } = explanation;
  if (reply === undefined || attempts.length === 0 || status !== undefined || code !== undefined) return [];
  const hint = `${reply.code ?? "answered"} before anything is sent`;
  return [{ path: "status", expected: "no answer here", received: reply.status, hint }];
}

function compareCandidates(expected: readonly string[], { explanation, known }: Compared): Difference[] {
  const kept = explanation.candidates.filter((candidate) => candidate.kept).map(({ id }) => id);
  const [wanted, received] = [sorted(expected), sorted(kept)];
  if (isSame(wanted, received)) return [];
  const difference = { path: "candidates", expected: wanted, received, ...whyNone(explanation) };
  return [hintAt(difference, expected, known)];
}

/** One that the route asks for two models is dropped when both are. */
function compareDropped(id: string, reason: string | RegExp, { explanation, known }: Compared): Difference[] {
  const path = `dropped.${id}`;
  const expected = String(reason);
  const faces = explanation.candidates.filter((candidate) => candidate.id === id);
  if (faces.length === 0) return [hintAt({ path, expected, received: null, ...whyNone(explanation) }, [id], known)];
  const kept = faces.find((face) => face.kept);
  if (kept !== undefined) return [{ path, expected, received: null, hint: asCandidate(kept) }];
  const pattern = toPattern(reason);
  if (faces.some((face) => pattern !== undefined && face.reason.search(pattern) !== -1)) return [];
  return [{ path, expected, received: faces.map((face) => face.reason).join("; ") }];
}

function asCandidate({ reason }: CandidateExplanation): string {
  return reason === "" ? "it is a candidate" : `it is a candidate: ${reason}`;
}

function compareShare(expected: Readonly<Record<string, number>>, found: Compared): Difference[] {
  const { explanation, known, draws, within } = found;
  return Object.entries(expected).flatMap(([id, share]) => {
    const count = explanation.distribution?.[id] ?? 0;
    const received = Math.round((count / draws) * 1_000) / 10;
    if (Math.abs((count / draws) * 100 - share) <= within) return [];
    const hint = `per cent of ${draws} requests, within ${within}`;
    return [hintAt({ path: `share.${id}`, expected: share, received, hint, ...whyNone(explanation) }, [id], known)];
  });
}

/** Of what is told here; there may be none because the request goes on. */
function equalReply(path: string, expected: unknown, received: unknown, explanation: Explanation): Difference[] {
  if (expected === received) return [];
  const [target] = explanation.attempts;
  const hint = target === undefined ? whyNone(explanation) : { hint: `it is sent to ${target}` };
  return [{ path, expected, received: received ?? null, ...(received === undefined && hint) }];
}

/** A misspelt id is the likeliest reason of all. */
function hintAt(difference: Difference, ids: readonly string[], known: ReadonlySet<string>): Difference {
  const unknown = ids.find((id) => !known.has(id));
  return unknown === undefined ? difference : { ...difference, hint: noTarget(unknown, known) };
}

/** Says that no target has an id, and which was meant. */
export function noTarget(id: string, known: ReadonlySet<string>): string {
  const near = suggest(id, known);
  return `no target has the id ${id}${near === undefined ? "" : `; did you mean ${near}?`}`;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

function sorted(ids: readonly string[]): string[] {
  return [...new Set(ids)].toSorted();
}
