import type { HeaderRecord } from "../contract/exchange.ts";
import type { HookName } from "../contract/hooks.ts";

export interface CandidateExplanation {
  readonly id: string;
  readonly url: string;
  /** What it would be asked for, when that is not what the request says. */
  readonly model?: string;
  readonly kept: boolean;
  /** Why it was dropped, or what the selector said of it. */
  readonly reason: string;
  readonly score?: number;
}

/** What a request would do, without sending it. */
export interface Explanation {
  /** The compiled order: plugin names per phase. */
  readonly hooks: Readonly<Partial<Record<HookName, readonly string[]>>>;
  readonly request: { readonly method: string; readonly path: string; readonly model: string | undefined };
  /** What each phase said, in order. */
  readonly steps: readonly { readonly phase: string; readonly note: string }[];
  readonly route: { readonly name: string; readonly pool: string; readonly selector: string } | undefined;
  readonly candidates: readonly CandidateExplanation[];
  /** Target ids in the order the attempts would try them. */
  readonly attempts: readonly string[];
  /** How many of so many requests like this go to each target, by id, most first; only when asked for. */
  readonly distribution?: Readonly<Record<string, number>>;
  readonly upstream:
    | {
        readonly method: string;
        readonly url: string;
        readonly headers: HeaderRecord;
        readonly body: string | undefined;
      }
    | undefined;
  /** When a plugin or an error answers instead. */
  readonly reply: { readonly status: number; readonly code: string | undefined; readonly body: string } | undefined;
}
