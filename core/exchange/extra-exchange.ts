import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Exchange, UpstreamRequest } from "../contract/exchange.ts";
import type { Route } from "../contract/route.ts";
import type { Target } from "../contract/target.ts";
import type { PoolTarget } from "../targets/target.ts";
import { toUpstream } from "../wire/upstream-request.ts";
import type { ActiveExchange } from "./exchange.ts";

/**
 * An exchange as one extra attempt sees it: with a target and a request of its own, so that hooks which take their time
 * never find those of another attempt there. All else, the slots too, is the exchange's.
 */
export class ExtraExchange implements Exchange {
  readonly real: ActiveExchange;
  readonly target: Target;
  readonly upstream: UpstreamRequest;
  /** What transports look at: it has a whole body, and takes over no connection. */
  readonly contentLength = -1;
  readonly tunnel = undefined;
  readonly upgradeTo = undefined;

  constructor(real: ActiveExchange, target: PoolTarget) {
    this.real = real;
    this.target = target;
    this.upstream = toUpstream(real, target);
  }

  get id(): string {
    return this.real.id;
  }

  get startedAt(): number {
    return this.real.startedAt;
  }

  get method(): string {
    return this.real.method;
  }

  get path(): string {
    return this.real.path;
  }

  get search(): string {
    return this.real.search;
  }

  get headers(): IncomingHttpHeaders {
    return this.real.headers;
  }

  get ip(): string | undefined {
    return this.real.ip;
  }

  get body(): Uint8Array | undefined {
    return this.real.body;
  }

  json<T = unknown>(): T | undefined {
    return this.real.json<T>();
  }

  get model(): string | undefined {
    return this.real.model;
  }

  set model(model: string | undefined) {
    this.real.model = model;
  }

  get route(): Route | undefined {
    return this.real.route;
  }

  set route(route: Route | undefined) {
    this.real.route = route;
  }

  get attempt(): number {
    return this.real.attempt;
  }

  get tried(): readonly Target[] {
    return this.real.tried;
  }

  get committed(): boolean {
    return this.real.committed;
  }

  get control(): boolean {
    return false;
  }

  get signal(): AbortSignal {
    return this.real.signal;
  }

  get notes(): string[] | undefined {
    return this.real.notes;
  }

  get node(): { readonly req: IncomingMessage; readonly res: ServerResponse } {
    return this.real.node;
  }

  get slots(): unknown[] | undefined {
    return this.real.slots;
  }

  set slots(slots: unknown[] | undefined) {
    this.real.slots = slots;
  }
}

/** The exchange itself: a hook of an extra attempt may hand on what it was given. */
export function realExchange(x: Exchange): ActiveExchange {
  return x instanceof ExtraExchange ? x.real : (x as ActiveExchange);
}
