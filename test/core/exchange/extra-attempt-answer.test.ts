import { describe, expect, test } from "vitest";
import { answering, type Script } from "../../wire/evil-upstream.ts";
import { chunk, lastChunk, message, ok, okChunked, post } from "../../wire/messages.ts";
import { at, within } from "../../wire/waiting.ts";
import { memUpstream } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { askExtra, stopping } from "./ask-extra.ts";
import { sidePlugin } from "./side-plugin.ts";

describe("the answer of an extra attempt", () => {
  test.each<[string, Script, string]>([
    ["a body with a length", answering(ok("hello")), "200 hello"],
    ["a chunked body", answering(okChunked() + chunk("he") + chunk("llo") + lastChunk), "200 hello"],
    ["any status", answering(message(["HTTP/1.1 503 No", "Content-Length: 4"], "busy")), "503 busy"],
    ["no body", answering(message(["HTTP/1.1 204 No Content"])), "204 "],
    ["an empty body", answering(ok("")), "200 "],
    [
      "informational responses first",
      answering(message(["HTTP/1.1 103 Early Hints", "Link: x"]) + ok("late")),
      "200 late",
    ],
    ["a body until the close", closing(message(["HTTP/1.1 200 OK"], "all")), "200 all"],
  ])("with %s", async (_what, script, said) => {
    expect((await askExtra(script)).said).toBe(said);
  });

  test("to a HEAD has no body, whatever its length says", async () => {
    const head = answering(message(["HTTP/1.1 200 OK", "Content-Length: 5"]));
    const { said } = await askExtra(head, { request: message(["HEAD / HTTP/1.1", "Host: a"]), to: "HEAD", main: head });
    expect(said).toBe("200 ");
  });

  test("has its headers, without those of the connection", async () => {
    let headers: unknown;
    const side = sidePlugin((own) => ({ admit: async (x) => void ({ headers } = await own.attempt(x).answer) }));
    const upstream = memUpstream(
      ({ sink }) => {
        sink.connected();
        sink.head(200, {
          "x-a": "1",
          "set-cookie": ["a", "b"],
          connection: "x-b",
          "x-b": "2",
          "keep-alive": "timeout=5",
        });
        sink.end();
      },
      ["a", "b"].map((id) => ({ id, url: `mem://${id}` })),
    );
    const proxy = await openProxy({ plugins: [upstream, side.plugin] });
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    expect(headers).toEqual({ "x-a": "1", "set-cookie": ["a", "b"], via: "1.1 plugboard" });
  });

  test("is told piece by piece", async () => {
    const pieces: string[] = [];
    const onData = (piece: Uint8Array): void => void pieces.push(Buffer.from(piece).toString());
    const { said } = await askExtra(answering(okChunked() + chunk("one") + chunk("two") + lastChunk), {
      extra: { onData },
    });
    expect([said, pieces.join("")]).toEqual(["200 onetwo", "onetwo"]);
  });

  test.each([
    ["says so at once", ok("12345")],
    ["grows", okChunked() + chunk("12345") + lastChunk],
  ])("over the limit that %s is a fault", async (_what, bytes) => {
    const { said, log, upstream } = await askExtra(answering(bytes), { extra: { limit: 4 } });
    expect(said).toBe("upstream_protocol");
    expect(log.attempts).toMatchObject([{ kind: "stream-error", status: 200 }, { kind: "ok" }]);
    await within(at(upstream.peers).ending, "the rest is not read");
    expect((await askExtra(answering(bytes), { extra: { limit: 5 } })).said).toBe("200 12345");
  });

  test("of any length is read and dropped with a limit of 0, and its connection used again", async () => {
    const long = "x".repeat(3_000_000);
    let seen = 0;
    const { said, wire, upstream, log } = await askExtra(answering(ok(long)), {
      extra: { limit: 0, onData: ({ length }) => void (seen += length) },
    });
    expect([said, seen, log.attempts[0]?.bytesOut]).toEqual(["200 ", long.length, long.length]);
    await wire.exchange(post("/", "{}"));
    expect(upstream.peers).toHaveLength(1);
  });

  test("is a megabyte at most if nothing else is said", async () => {
    const side = async (bytes: number): Promise<string> => (await askExtra(answering(ok("x".repeat(bytes))))).said;
    expect(await side(1_048_577)).toBe("upstream_protocol");
    expect(await side(1_048_576)).toHaveLength("200 ".length + 1_048_576);
  });
});

function closing(bytes: string): Script {
  return async (peer) => {
    await stopping(bytes)(peer);
    await peer.close();
  };
}
