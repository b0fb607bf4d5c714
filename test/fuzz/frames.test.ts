import { validateHeaderName, validateHeaderValue } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ActiveExchange } from "../../core/exchange/exchange.ts";
import { clientAddress, trustedProxies } from "../../core/wire/forwarded.ts";
import { isHost } from "../../core/wire/host.ts";
import { toHttp2Headers } from "../../core/wire/http2-headers.ts";
import { connectionOptions, headerName } from "../../core/wire/request-headers.ts";
import { contentLength, endToEnd, trailersToSend } from "../../core/wire/response-headers.ts";
import { AttemptRequest } from "../../core/wire/upstream-request.ts";
import { FrameTracker } from "../../core/wire/websocket-frames.ts";
import { webSocketFrame } from "../wire/websocket.ts";
import { cut, fuzz, sizes } from "./fuzz.ts";

const frame = fc
  .record({
    length: fc.oneof(fc.nat(130), fc.constantFrom(125, 126, 127, 65_535, 65_536)),
    opcode: fc.constantFrom(0, 1, 2, 9, 10),
    final: fc.boolean(),
    masked: fc.boolean(),
  })
  .map(({ length, ...options }) => webSocketFrame("\x88".repeat(length), options));

test("a frame tracker knows where frames end, however the bytes are cut", () =>
  fuzz(
    fc.tuple(fc.array(frame, { minLength: 1, maxLength: 6 }), sizes, fc.integer({ min: 1, max: 70_000 })),
    ([frames, by, more]) => {
      const ends = new Set<number>([0]);
      for (const { length } of frames) ends.add(length + Math.max(...ends));
      const tracker = new FrameTracker();
      const wrong: number[] = [];
      let at = 0;
      for (const chunk of cut(Buffer.concat(frames), [...by, more])) {
        tracker.pass(chunk);
        at += chunk.length;
        if (tracker.atBoundary !== ends.has(at)) wrong.push(at);
      }
      expect(wrong).toEqual([]);
    },
    200,
  ));

test("a frame tracker takes any bytes, and says the same of them however they are cut", () =>
  fuzz(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 200 }), sizes),
    ([bytes, by]) => {
      const [whole, pieces] = [new FrameTracker(), new FrameTracker()];
      whole.pass(bytes);
      for (const chunk of cut(bytes, by)) pieces.pass(chunk);
      expect(pieces.atBoundary).toBe(whole.atBoundary);
    },
    2_000,
  ));

const names =
  "connection|Keep-Alive|TE|Transfer-Encoding|Content-Length|Upgrade|Host|Cookie|X-A|x_b|__proto__|constructor|" +
  "proxy-authorization|Authorization|x-plugboard-a||a b|x\0|é|:path";
const token: fc.Arbitrary<string> = fc.constantFrom(...names.split("|"));
const value = fc.oneof(
  fc.constantFrom("", "a", "x-a, close", "a\r\nb", "\0", "é", "😀", "5"),
  fc.string({ maxLength: 8 }),
);
const record = fc
  .array(fc.tuple(token, fc.oneof(value, fc.array(value, { maxLength: 3 }))), { maxLength: 8 })
  .map((all) => all.map(([name, one]) => [name.toLowerCase(), one] as const))
  .map((all): Record<string, string | string[]> =>
    Object.assign(Object.create(null), ...all.map(([name, one]) => own(name, one))),
  );
const own = (name: string, one: unknown): object => Object.defineProperty({}, name, { value: one, enumerable: true });

const ofConnection =
  /^(?:connection|keep-alive|te|transfer-encoding|content-length|upgrade|proxy-(?!authorization).*|http2-settings)$/;

function sendable(name: string, all: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, all);
    return true;
  } catch {
    return false; // The question was whether.
  }
}

test("what goes on to a client has no header of the connection, nor one that Connection names, and changes no other", () =>
  fuzz(
    record,
    (headers) => {
      const kept = endToEnd(headers);
      const named = String(headers["connection"] ?? "")
        .toLowerCase()
        .split(",")
        .map((word) => word.trim());
      expect(Object.getPrototypeOf(kept)).toBeNull();
      for (const name of Object.keys(kept)) {
        expect(name).not.toMatch(ofConnection);
        if (name === "via" || name === "") continue;
        expect(named).not.toContain(name);
        expect(kept[name]).toBe(headers[name]);
      }
      expect(contentLength(headers)).toBeGreaterThanOrEqual(-1);
    },
    2_000,
  ));

test("trailers never frame, authorise or set a cookie", () =>
  fuzz(
    record,
    (headers) => {
      for (const [name] of trailersToSend(headers))
        expect(name).not.toMatch(
          /^(?:content-length|transfer-encoding|host|authorization|set-cookie|connection|te|trailer)$/,
        );
    },
    1_000,
  ));

test("a request over HTTP/2 has only headers that can be sent, none of a connection, or is refused", () =>
  fuzz(
    fc.tuple(fc.constantFrom("GET", "POST", "a b", ""), fc.oneof(fc.constant("/a"), fc.string()), record),
    ([method, path, headers]) => {
      const x = { method, body: undefined, hasBody: false } as unknown as ActiveExchange;
      const request = new AttemptRequest(x, path, []);
      request.headers = headers;
      let sent: ReturnType<typeof toHttp2Headers>;
      try {
        sent = toHttp2Headers(request, "host.test", -1);
      } catch (error) {
        return expect((error as NodeJS.ErrnoException).code).toMatch(
          /^ERR_(?:INVALID_HTTP_TOKEN|INVALID_CHAR|HTTP_INVALID_HEADER_VALUE)$/,
        );
      }
      for (const [name, all] of Object.entries(sent)) {
        expect(name).not.toMatch(/^(?:connection|keep-alive|transfer-encoding|upgrade|host|expect|proxy-connection)$/);
        if (name.startsWith(":")) expect([":method", ":scheme", ":authority", ":path"]).toContain(name);
        else expect(sendable(name, String(all))).toBe(true);
      }
    },
    2_000,
  ));

test("a name of a header has one use, however it is spelt, and Connection takes away no credentials", () =>
  fuzz(
    fc.tuple(token, fc.array(fc.boolean(), { maxLength: 20 }), fc.array(token)),
    ([name, upper, others]) => {
      const spelt = name
        .split("")
        .map((char, at) => (upper[at] === true ? char.toUpperCase() : char))
        .join("");
      expect(headerName(spelt)).toEqual(headerName(name.toLowerCase()));
      const named = connectionOptions(others.join(",")) ?? new Set<string>();
      for (const kept of ["authorization", "cookie", "content-type"]) expect(named.has(kept)).toBe(false);
    },
    2_000,
  ));

test("a Host is one that a URL has as its host, and no more than that", () =>
  fuzz(
    fc.array(
      fc.constantFrom("a", ".", ":", "1", "[", "]", "::1", "@", "/", "?", "#", "\\", ",", " ", "%41", "é", "\0"),
      { maxLength: 6 },
    ),
    (all) => {
      const host = all.join("");
      if (!isHost(host)) return;
      expect(host).not.toMatch(/[@/?#\\,\s\0]/);
      if (!URL.canParse(`http://${host}/`)) return;
      const { pathname, username, search } = new URL(`http://${host}/`);
      expect([pathname, username, search]).toEqual(["/", "", ""]);
    },
    5_000,
  ));

test("the address of a client is its peer's, or an address that was forwarded", () =>
  fuzz(
    fc.array(
      fc.constantFrom("10.0.0.1", "8.8.8.8", "::1", "fe80::1%a", "unknown", "", " ", "1.2.3", "a,b", "[::1]:80"),
      { maxLength: 6 },
    ),
    (hops) => {
      const trusted = trustedProxies(["10.0.0.0/8", "::1"]);
      expect(clientAddress("8.8.4.4", hops.join(","), trusted)).toBe("8.8.4.4");
      const found = clientAddress("10.0.0.9", hops.join(","), trusted);
      expect(["10.0.0.9", ...hops.map((hop) => hop.trim())]).toContain(found);
      expect(found).toMatch(/^[\d.]+$|:/);
    },
    1_000,
  ));
