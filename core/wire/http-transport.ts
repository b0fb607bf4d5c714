import type { Duplex } from "node:stream";
import type { Dispatcher } from "undici";
import type { Exchange } from "../contract/exchange.ts";
import type { Target } from "../contract/target.ts";
import type { Transport, TransportCall, TransportSink } from "../contract/services.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { Connection } from "../targets/connections.ts";
import type { PoolTarget } from "../targets/target.ts";
import { Http2Call } from "./http2-call.ts";
import type { Headers } from "./response-headers.ts";
import { Upload } from "./upload.ts";
import type { AttemptRequest } from "./upstream-request.ts";

type Controller = Dispatcher.DispatchController;

/** HTTP/1.1 through the undici pool of the target, or HTTP/2 where a target wants it. */
export const httpTransport: Transport = {
  schemes: ["http", "https"],
  send(target: Target, exchange: Exchange, sink: TransportSink): TransportCall {
    const x = exchange as ActiveExchange;
    const { connection } = target as PoolTarget;
    // A tunnel takes a connection for itself.
    if (!connection.http2 || x.tunnel !== undefined) return sendHttp1(connection, x, sink);
    const call = new Http2Call(connection, x, { sink, sendHttp1 });
    call.start();
    return call;
  },
};

function sendHttp1(connection: Connection, x: ActiveExchange, sink: TransportSink): TransportCall {
  const { upstream } = x;
  const call = new HttpCall(connection, sink);
  const streamed = upstream.body === "stream";
  connection.waiting += 1;
  connection.pool.dispatch(
    {
      path: upstream.path,
      method: upstream.method,
      headers: (upstream as AttemptRequest).toSend(streamed ? x.contentLength : -1),
      body: streamed ? new Upload(x) : upstream.body,
      upgrade: x.tunnel === undefined ? null : x.upgradeTo,
      // Else the Host header decides, and another one than before costs the connection.
      servername: connection.servername,
    } as Dispatcher.DispatchOptions,
    call,
  );
  return call;
}

/** Stands between undici and an attempt for one request. */
class HttpCall implements TransportCall, Dispatcher.DispatchHandler {
  readonly #connection: Connection;
  readonly #sink: TransportSink;
  #controller: Controller | undefined = undefined;
  #aborted: Error | undefined = undefined;

  constructor(connection: Connection, sink: TransportSink) {
    this.#connection = connection;
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
    if (this.#controller === undefined) this.#connection.waiting -= 1;
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
    if (this.#controller === undefined) this.#connection.waiting -= 1;
    this.#sink.error(error);
  }
}
