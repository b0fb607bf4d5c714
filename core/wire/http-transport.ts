import type { Duplex } from "node:stream";
import type { Dispatcher } from "undici";
import type { Exchange } from "../contract/exchange.ts";
import type { Target } from "../contract/target.ts";
import type { Transport, TransportCall, TransportSink } from "../contract/services.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { PoolTarget } from "../targets/target.ts";
import type { Headers } from "./response-headers.ts";
import { Upload } from "./upload.ts";
import type { AttemptRequest } from "./upstream-request.ts";

type Controller = Dispatcher.DispatchController;

/** HTTP/1.1 through the undici pool of the target. */
export const httpTransport: Transport = {
  schemes: ["http", "https"],
  send(target: Target, exchange: Exchange, sink: TransportSink): TransportCall {
    const x = exchange as ActiveExchange;
    const { upstream } = x;
    const call = new HttpCall(sink);
    const streamed = upstream.body === "stream";
    (target as PoolTarget).connection.pool.dispatch(
      {
        path: upstream.path,
        method: upstream.method,
        headers: (upstream as AttemptRequest).toSend(streamed ? x.contentLength : -1),
        body: streamed ? new Upload(x) : upstream.body,
        upgrade: x.tunnel === undefined ? null : x.upgradeTo,
      },
      call,
    );
    return call;
  },
};

/** Stands between undici and an attempt for one request. */
class HttpCall implements TransportCall, Dispatcher.DispatchHandler {
  readonly #sink: TransportSink;
  #controller: Controller | undefined = undefined;
  #aborted: Error | undefined = undefined;

  constructor(sink: TransportSink) {
    this.#sink = sink;
  }

  abort(reason: Error): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = reason;
    // Before the connection stands there is nothing to abort: it is done in onRequestStart, before a byte is written.
    this.#controller?.abort(reason);
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#aborted === undefined) this.#sink.connected();
    else controller.abort(this.#aborted);
  }

  onRequestUpgrade(_controller: Controller, status: number, headers: Headers, socket: Duplex): void {
    this.#sink.upgrade(status, headers, socket);
  }

  onResponseStart(_controller: Controller, status: number, headers: Headers): void {
    this.#sink.head(status, headers);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (!this.#sink.data(chunk)) controller.pause();
  }

  onResponseEnd(_controller: Controller, trailers: Headers): void {
    this.#sink.end(trailers);
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#sink.error(error);
  }
}
