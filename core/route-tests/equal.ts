import type { Explanation } from "../explain/explanation.ts";
import type { Difference } from "./difference.ts";

/** One difference or none. */
export function equal(path: string, expected: unknown, received: unknown, explanation: Explanation): Difference[] {
  return expected === received ? [] : [{ path, expected, received: received ?? null, ...whyNone(explanation) }];
}

/** Why nothing is sent, when nothing is. */
export function whyNone({ attempts, reply, steps }: Explanation): { hint?: string } {
  if (attempts.length > 0) return {};
  if (reply !== undefined)
    return { hint: `answered here with ${[reply.status, reply.code].filter(Boolean).join(" ")}` };
  const note = steps.at(-1)?.note;
  return note === undefined ? {} : { hint: note };
}
