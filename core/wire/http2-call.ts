import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import type { TransportCall, TransportSink } from "../contract/services.ts";
import { isProxyError } from "../errors.ts";
import type { ActiveExchange } from "../exchange/exchange.ts";
import type { Connection } from "../targets/connections.ts";
import type { Http2Session } from "../targets/http2-session.ts";
import type { Http2Sessions, SessionTaker } from "../targets/http2-sessions.ts";
import { toHttp2Headers } from "./http2-headers.ts";
import type { Headers } from "./response-headers.ts";
import { Upload } from "./upload.ts";
import { refusedStream } from "./upstream-fault.ts";
import type { AttemptRequest } from "./upstream-request.ts";

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants;

interface Ways {
  readonly sink: TransportSink;
  readonly sendHttp1: (connection: Connection, x: ActiveExchange, sink: TransportSink) => TransportCall;
}

/** Stands between a stream of an HTTP/2 connection and an attempt for one request. */
export class Http2Call implements TransportCall, SessionTaker {
  readonly #connection: Connection;
  readonly #x: ActiveExchange;
  readonly #sessions: Http2Sessions;
  readonly #sink: TransportSink;
  readonly #sendHttp1: Ways["sendHttp1"];
  /** When the target turned out not to speak HTTP/2. */
  #http1: TransportCall | undefined = undefined;
  #session: Http2Session | undefined = undefined;
  #stream: ClientHttp2Stream | undefined = undefined;
  #upload: Upload | undefined = undefined;
  #error: Error | undefined = undefined;
  #trailers: Headers = {};
  #again = false;
  #begun = false;
  /** The upstream has said that this is the end of its answer. */
  #whole = false;
  #over = false;

  constructor(connection: Connection, x: ActiveExchange, { sink, sendHttp1 }: Ways) {
    this.#connection = connection;
    this.#x = x;
    this.#sink = sink;
    this.#sendHttp1 = sendHttp1;
    // The target may be gone before the request has its stream.
    this.#sessions = connection.sessions;
  }

  start(): void {
    this.#sessions.take(this);
  }

  abort(reason: Error): void {
    if (this.#http1 !== undefined) return this.#http1.abort(reason);
    if (this.#over) return;
    if (this.#stream === undefined) this.#sessions.leave(this);
    else if (isProxyError(reason) && (reason.code === "upstream_timeout" || reason.code === "stream_idle"))
      this.#session?.check();
    this.#fail(reason);
  }

  resume(): void {
    this.#http1?.resume();
    this.#stream?.resume();
  }

  plain(): void {
    this.#http1 = this.#sendHttp1(this.#connection, this.#x, this.#sink);
  }

  failed(error: Error): void {
    this.#fail(error);
  }

  opened(session: Http2Session): void {
    const { upstream, contentLength } = this.#x;
    const { body } = upstream;
    let stream: ClientHttp2Stream;
    try {
      const length = body === "stream" ? contentLength : -1;
      const headers = toHttp2Headers(upstream as AttemptRequest, this.#connection.authority, length);
      stream = session.request(headers, { endStream: body === null });
    } catch (error) {
      return this.#fail(error as Error);
    }
    this.#session = session;
    this.#stream = stream;
    this.#listen(stream);
    this.#sink.connected();
    if (this.#over) return;
    if (body === "stream") this.#send(stream);
    else if (body !== null) stream.end(body);
  }

  #listen(stream: ClientHttp2Stream): void {
    noteEnd(stream, () => (this.#whole = true));
    stream
      .on("headers", (headers) => this.#inform(headers))
      .once("response", (headers) => this.#answer(stream, headers))
      .once("trailers", (trailers) => (this.#trailers = trailers))
      .once("aborted", () => this.#upload?.destroy())
      .once("end", () => this.#end())
      .on("error", (error: Error) => (this.#error ??= error))
      .once("close", () => this.#closed(stream));
  }

  #send(stream: ClientHttp2Stream): void {
    const upload = new Upload(this.#x);
    this.#upload = upload;
    upload.once("error", (error) => this.#fail(error));
    upload.pipe(stream);
  }

  #inform(headers: IncomingHttpHeaders): void {
    const status = takeStatus(headers);
    // 100 is an answer to an Expect that was not sent.
    if (this.#over || this.#begun || status === 100) return;
    if (status === 101) return this.#fail(new Error("bad response: 101 on HTTP/2"));
    this.#sink.head(status, headers);
  }

  #answer(stream: ClientHttp2Stream, headers: IncomingHttpHeaders): void {
    if (this.#over) return;
    this.#begun = true;
    this.#sink.head(takeStatus(headers), headers);
    stream.on("data", (chunk: Buffer) => {
      if (!this.#over && !this.#sink.data(chunk)) stream.pause();
    });
  }

  /** Node ends what was read also when a stream was reset: that is told when it closes. */
  #end(): void {
    if (this.#over || !this.#whole || !this.#begun) return;
    this.#over = true;
    this.#leaveStream();
    this.#sink.end(this.#trailers);
  }

  #closed(stream: ClientHttp2Stream): void {
    if (this.#over || this.#stream !== stream) return;
    const { rstCode } = stream;
    if (rstCode !== NGHTTP2_REFUSED_STREAM || this.#begun)
      return this.#fail(this.#error ?? new Error(`the stream was reset with code ${rstCode}`));
    if (!this.#again && this.#upload === undefined) return this.#tryAgain();
    const cause = this.#error;
    this.#fail(Object.assign(new Error("the stream was refused", { cause }), { code: refusedStream }));
  }

  /** Once: a connection that is about to end refuses what crosses its farewell. */
  #tryAgain(): void {
    this.#again = true;
    this.#stream = undefined;
    this.#error = undefined;
    this.#sessions.take(this);
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#leaveStream();
    this.#sink.error(error);
  }

  /** The rest of a body that the upstream does not want is not sent, and what it still sends is not wanted. */
  #leaveStream(): void {
    this.#upload?.destroy();
    if (this.#stream !== undefined && !(this.#whole && this.#stream.writableEnded)) this.#stream.close(NGHTTP2_CANCEL);
  }
}

/**
 * Calls back when the upstream has ended a stream. Node ends the readable side also when the stream is reset without an
 * error or the connection breaks, but only then marks it closed before.
 */
function noteEnd(stream: ClientHttp2Stream, ended: () => void): void {
  const { push } = stream;
  stream.push = function (chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null && !stream.closed) ended();
    return push.call(stream, chunk, encoding);
  };
}

function takeStatus(headers: IncomingHttpHeaders): number {
  const status = Number(headers[":status"]);
  delete headers[":status"];
  return status;
}
