import type { Awaitable } from "../contract/services.ts";
import type { Explanation } from "../explain/explanation.ts";

/** A table of requests and the routes that they are to take. */
export interface RouteTests {
  /** Relative to this file. @default that of --config, else the one beside this file or in the working directory */
  config?: string;
  /** What holds for all tests, by target id. */
  targets?: Readonly<Record<string, TargetState>>;
  tests: readonly RouteTest[];
}

/** How a target is doing; a test starts with all of them up and idle. */
export interface TargetState {
  /** True, or why. @default false */
  down?: boolean | string;
  /** Seconds for which it is left alone. @default 0 */
  coolingDown?: number;
  /** Attempts under way. @default 0 */
  inflight?: number;
}

/** How often a request is repeated to see its shares. */
export interface RouteDraws {
  /** @default 1000 with `share`, otherwise 1 */
  draws?: number;
  /** What chance is drawn from: the same seed, the same picks. @default 7 */
  seed?: number;
  /** Per cent points that a share may be off by. @default 5 */
  within?: number;
}

export interface RouteTest extends RouteDraws {
  /** @default a description of the request */
  name?: string;
  request: RouteTestRequest;
  /** Added to those of the table; for the same target, key by key. */
  targets?: Readonly<Record<string, TargetState>>;
  /** At least one expectation; a function throws what it has to complain of. */
  expect: RouteExpectation | RouteCheck;
}

export type RouteCheck = (explanation: Explanation) => Awaitable<void>;

/** `{ model }` is short for a chat completion with that model. */
export interface RouteTestRequest {
  /** @default "POST" with a model or a body, otherwise "GET" */
  method?: string;
  /** @default "/v1/chat/completions" */
  path?: string;
  headers?: Readonly<Record<string, string>>;
  /** Text is sent as it is, anything else as JSON. */
  body?: string | object;
  /** Of the chat completion; not beside a body. */
  model?: string;
  /** Asks for a stream; beside a model. @default not said */
  stream?: boolean;
  /** The listener it comes in by. @default "main", the config's own port */
  listener?: string;
}

/** Everything that is said is checked; what is not said may be anything. */
export interface RouteExpectation extends RouteDraws {
  route?: string;
  selector?: string;
  /** Id of the target of the first attempt. */
  target?: string;
  /** Ids in the order of the attempts. */
  attempts?: readonly string[];
  /** Ids of the targets that may be picked, in any order. */
  candidates?: readonly string[];
  /** Ids of targets that may not be picked, with words of the reason or a regular expression, as text: `/down/i`. */
  dropped?: Readonly<Record<string, string | RegExp>>;
  /** What the upstream is asked for. */
  model?: string;
  upstream?: UpstreamExpectation;
  /** Of an answer that is made here. */
  status?: number;
  /** Of an error that is told here. */
  code?: string;
  /** Per cent of many requests, by target id. */
  share?: Readonly<Record<string, number>>;
}

/** The request that the first attempt sends. */
export interface UpstreamExpectation {
  method?: string;
  url?: string;
  /** With the query. */
  path?: string;
  /** Null: not sent. */
  headers?: Readonly<Record<string, string | null>>;
  /** The whole as text, or members of its JSON. */
  body?: string | object;
}

/** Returns its argument, checked: what a `routes.ts` exports as default. */
export function defineRouteTests(tests: RouteTests): RouteTests {
  return tests;
}
