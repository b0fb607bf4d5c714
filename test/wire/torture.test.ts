import { expect, test } from "vitest";
import { definePlugin } from "plugboard";
import type { Peer, Script } from "./evil-upstream.ts";
import {
  chunk,
  get,
  handshake,
  lastChunk,
  message,
  ok,
  okChunked,
  post,
  postChunked,
  postHead,
  switching,
} from "./messages.ts";
import { openWire, type Wire } from "./open-wire.ts";
import { recorder } from "./recorder.ts";
import { at, within } from "./waiting.ts";

// Everything at once and in any order: whatever clients and upstreams do, the process lives, each exchange and attempt
// ends once, and nothing is left over.

/** The same numbers for the same seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const requests: readonly string[] = [
  get("/"),
  get("/", "Connection: close"),
  get("/", "TE: trailers", "Connection: TE"),
  message(["HEAD / HTTP/1.1", "Host: a"]),
  message(["GET / HTTP/1.0", "Host: a"]),
  message(["OPTIONS * HTTP/1.1", "Host: a"]),
  message(["CONNECT a:1 HTTP/1.1", "Host: a:1"]),
  post("/", "hello"),
  post("/big", "a".repeat(200_000)),
  post("/", '{"a":1}', "Content-Type: application/json"),
  postChunked("/", ["hel", "lo"]),
  postHead("/", 10, "Expect: 100-continue"),
  `${postHead("/", 10)}half`,
  post("/", "hello", "Connection: Upgrade", "Upgrade: h2c"),
  get("/", "Connection: Upgrade", "Upgrade: h2c"),
  handshake,
  `${handshake}early`,
  get("/../a"),
  get("/", "Host: b"),
  "garbage\r\n\r\n",
  message(["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], "zz\r\n"),
];

const answers: readonly string[] = [
  ok("whole"),
  ok("whole", "Connection: close"),
  okChunked() + chunk("whole") + lastChunk,
  okChunked("Trailer: x-a") + chunk("whole") + message(["0", "X-A: 1"]),
  message(["HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload"]) + ok("whole"),
  message(["HTTP/1.1 204 No Content"]),
  message(["HTTP/1.1 304 Not Modified", "Content-Length: 5"]),
  ok("a".repeat(300_000)),
  okChunked() + chunk("half"),
  message(["HTTP/1.1 200 OK", "Content-Length: 100"], "half"),
  message(["HTTP/1.1 200 OK", "Connection: close"], "half"),
  "HTTP/1.1 2",
  "garbage\r\n\r\n",
  "",
  switching(),
  `${switching("evil")}evil`,
  ok("whole") + ok("poison"),
];

/** Each connection by its own dice: answers early or late, well or badly, and leaves in one of four ways. */
function evil(dice: (below: number) => number): Script {
  return async (peer) => {
    if (dice(12) === 0) return peer.reset();
    for (;;) {
      const request = await peer.head();
      const early = dice(3) === 0;
      if (!early) await request.whole();
      await peer.write(at(answers, dice(answers.length)));
      if (request.get("upgrade") !== undefined) return;
      if (early) await request.whole();
      const leave = at<((leaving: Peer) => Promise<void>) | "stay">(
        [(p) => p.reset(), (p) => p.close(), (p) => p.halfClose(), "stay", "stay", "stay"],
        dice(6),
      );
      if (leave !== "stay") return leave(peer);
    }
  };
}

async function misbehave(wire: Wire, dice: (below: number) => number): Promise<void> {
  const client = await wire.client();
  const bytes = Array.from({ length: 1 + dice(4) }, () => at(requests, dice(requests.length))).join("");
  const split = dice(bytes.length);
  if (dice(8) === 0) client.pause();
  await client.send(bytes.slice(0, split));
  for (let turn = dice(20); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
  await client.send(bytes.slice(split));
  for (let turn = dice(60); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
  at([client.reset, client.halfClose, client.destroy], dice(3))();
}

const inspecting = definePlugin({ name: "inspecting", setup: (proxy) => proxy.needs({ body: "json" }) });
const thinking = definePlugin({ name: "thinking", setup: () => ({ admit: () => Promise.resolve() }) });

test.each([1, 2, 3, 4])("seed %i", { timeout: 60_000 }, async (seed) => {
  const dice = numbers(seed);
  const seen = recorder();
  const wire = await openWire([evil(dice), evil(dice)], {
    plugins: [thinking(), inspecting(), seen.plugin],
    retry: { nonIdempotent: seed % 2 === 0 },
    timeouts: { headers: 200, idle: 200 },
    limits: { writeStall: 500 },
  });
  for (let round = 0; round < 15; round++) {
    await Promise.all(Array.from({ length: 20 }, () => misbehave(wire, dice)));
  }
  const quiet = async (): Promise<void> => {
    while (wire.proxy.status().active > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await within(quiet(), "all exchanges end", 10_000);
  const targets = new Set(seen.attempts.map((attempt) => attempt.target));
  for (const { live } of targets) expect(live.inflight).toBe(0);
  const started = [...targets].reduce((sum, { live }) => sum + live.requests, 0);
  expect(seen.attempts).toHaveLength(started);
});
