/** How a worker takes one request. What it checks, it checks all the same. */
export interface Behaviour {
  /** Milliseconds before it answers. */
  readonly latency?: number;
  /** It answers when this has settled. */
  readonly until?: Promise<unknown>;
  /** Answers with this and an error body instead. */
  readonly status?: number;
  /**
   * `reset` and `hang`: before the head; `cut`: a reset behind the head and the first piece of the body; `error event`: a
   * clean end behind the first piece of a stream and an error.
   */
  readonly fault?: "reset" | "hang" | "cut" | "error event";
  /** Of a prefill worker: the handle as it is spelt, `"null"`, or `"missing"`. @default one that no parser gives back as it was */
  readonly handle?: string;
  /** Milliseconds before each piece of a stream. @default 0 */
  readonly pace?: number;
  /** Waited for instead. */
  readonly gate?: (piece: number) => Promise<unknown>;
}
