import { createHash } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import type { ProxyConfig } from "plugboard";
import { mockBackend, staticTargets } from "plugboard/plugins";
import { expect } from "vitest";
import { curl, startCurl } from "./curl.ts";
import { eventually } from "./eventually.ts";
import { llmPlugins } from "./llm-plugins.ts";
import { openProxy } from "./open-proxy.ts";
import { openUpstream } from "./open-upstream.ts";
import { testWith } from "./requires.ts";

const test = testWith("curl");

/** The URL of a proxy in front of such an upstream, with no other plugin. */
async function openFront(listener: RequestListener, config: Omit<ProxyConfig, "plugins"> = {}): Promise<string> {
  const targets = [await openUpstream(listener)];
  return (await openProxy([staticTargets({ targets })], config)).url;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Tells what it got, and how it was framed. */
async function tellBody(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await buffer(req);
  const { "transfer-encoding": coding = "none", "content-length": length = "none" } = req.headers;
  res.end(`${req.method} ${coding} ${length} ${body.length} ${sha256(body)}`);
}

const big = Buffer.alloc(5_000_000, "plugboard ");

test("a chat is asked for and answered", async () => {
  const { url } = await openProxy([mockBackend({ backends: [{ models: ["small"] }] }), ...llmPlugins()]);
  const messages = [{ role: "user", content: "hello there" }];
  const { code, stdout } = await curl([
    `${url}/v1/chat/completions`,
    "--json",
    JSON.stringify({ model: "fast", messages }),
  ]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ object: "chat.completion", model: "small" });
});

test("an unknown model is exit code 22 with --fail, and the error is in the body", async () => {
  const { url } = await openProxy([mockBackend(), ...llmPlugins([])]);
  const args = [`${url}/v1/chat/completions`, "--fail-with-body", "--json", '{"model":"nobody"}'];
  const { code, stdout } = await curl(args);
  expect(code).toBe(22);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "model_not_found" } });
});

test("with -N each piece is printed when the upstream sent it, not at the end", async () => {
  let response: ServerResponse | undefined;
  const url = await openFront((_req, res) => {
    response = res;
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write("data: 1\n\n");
  });
  const started = startCurl(["-N", url]);
  await eventually(() => expect(started.printed.stdout).toBe("data: 1\n\n"));
  response?.write("data: 2\n\n");
  await eventually(() => expect(started.printed.stdout).toBe("data: 1\n\ndata: 2\n\n"));
  response?.end("data: [DONE]\n\n");
  expect(await started.done).toMatchObject({ code: 0, stdout: expect.stringMatching(/DONE\]\n\n$/) });
});

test("the head of a stream is there before its first byte", async () => {
  let response: ServerResponse | undefined;
  const url = await openFront((_req, res) => {
    response = res;
    res.writeHead(200, { "content-type": "text/event-stream", "x-early": "yes" });
    res.flushHeaders();
  });
  const started = startCurl(["-N", "-v", url]);
  await eventually(() => expect(started.printed.stderr).toContain("x-early: yes"));
  response?.end();
  expect((await started.done).code).toBe(0);
});

test("HEAD has the length of the body that is not there", async () => {
  const url = await openFront((_req, res) => {
    res.writeHead(200, { "content-length": 12_345, "x-kind": "head" });
    res.end();
  });
  const { code, stdout } = await curl(["--head", url]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(stdout).toMatch(/^content-length: 12345\r$/im);
  expect(stdout).toMatch(/^x-kind: head\r$/im);
});

test("an upload from standard input arrives while it is being made", async () => {
  let received = "";
  const url = await openFront((req, res) => {
    req.setEncoding("utf8").on("data", (text: string) => (received += text));
    req.on("end", () => res.end(`${req.method} ${req.headers["transfer-encoding"]} ${received}`));
  });
  const started = startCurl(["-T", "-", "-H", "Expect:", url]);
  started.stdin.write("one,");
  await eventually(() => expect(received).toBe("one,"));
  started.stdin.end("two");
  expect(await started.done).toMatchObject({ code: 0, stdout: "PUT chunked one,two" });
});

test("a large chunked upload arrives whole", async () => {
  const url = await openFront((req, res) => void tellBody(req, res));
  const args = ["-T", "-", "-X", "POST", "-H", "Expect:", url];
  const { code, stdout } = await curl(args, big);
  expect(code).toBe(0);
  expect(stdout).toBe(`POST chunked none ${big.length} ${sha256(big)}`);
});

test("a large body that waits for 100 Continue is asked for and arrives whole", async () => {
  const url = await openFront((req, res) => void tellBody(req, res));
  // Longer than the test may take: it sends nothing unless it is told to go on.
  const patience = ["--expect100-timeout", "60", "-H", "Expect: 100-continue"];
  const { code, stdout, stderr } = await curl(["-v", ...patience, "--data-binary", "@-", url], big);
  expect(code).toBe(0);
  expect(stderr).toContain("< HTTP/1.1 100 Continue");
  expect(stdout).toBe(`POST none ${big.length} ${big.length} ${sha256(big)}`);
});

test("a body over the limit that waits for 100 Continue is refused before it is sent", async () => {
  const url = await openFront((req, res) => void tellBody(req, res), { limits: { body: 1_000_000 } });
  const patience = ["--expect100-timeout", "60", "-H", "Expect: 100-continue"];
  const told = ["-v", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}"];
  const args = [...patience, ...told, "--data-binary", "@-", url];
  const { code, stdout, stderr } = await curl(args, big);
  expect(code).toBe(0);
  expect(stdout).toBe("413 0");
  expect(stderr).not.toContain("100 Continue");
});

const cuts: readonly (readonly [how: string, headers: Record<string, string>])[] = [
  ["a stream", { "content-type": "text/event-stream" }],
  ["a body of a known length", { "content-length": "1000" }],
];

for (const [how, headers] of cuts) {
  test(`${how} that the upstream cuts is exit code 18, with what came before`, async () => {
    const url = await openFront((_req, res) => {
      res.writeHead(200, headers);
      res.write("data: 1\n\n", () => res.destroy());
    });
    const { code, stdout } = await curl(["-N", url]);
    expect(code).toBe(18);
    expect(stdout).toBe("data: 1\n\n");
  });
}

test("a client of HTTP/1.0 cannot take a cut stream for a whole one", async () => {
  const url = await openFront((_req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write("data: 1\n\n", () => res.destroy());
  });
  const { code, stdout } = await curl(["-N", "--http1.0", url]);
  expect(stdout).toBe("data: 1\n\n");
  // The close would be the end, so the connection is reset.
  expect(code).toBe(56);
});

test("an upstream's compression reaches the client untouched", async () => {
  const packed = gzipSync(big);
  const url = await openFront((req, res) => {
    const { "accept-encoding": accepted = "" } = req.headers;
    res.writeHead(accepted.includes("gzip") ? 200 : 406, { "content-encoding": "gzip" });
    res.end(packed);
  });
  const { code, stdout } = await curl(["--fail", "--compressed", url]);
  expect(code).toBe(0);
  expect(sha256(Buffer.from(stdout))).toBe(sha256(big));
});

test("two requests share one connection", async () => {
  const url = await openFront((_req, res) => void res.end());
  const { code, stdout } = await curl(["-w", "%{num_connects} ", `${url}/one`, `${url}/two`]);
  expect(code).toBe(0);
  expect(stdout).toBe("1 0 ");
});

test("a client that gives up is gone at the upstream too", async () => {
  let closed = false;
  const url = await openFront((_req, res) => {
    res.once("close", () => (closed = true));
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write("data: 1\n\n");
  });
  const { code } = await curl(["-N", "--max-time", "0.3", url]);
  expect(code).toBe(28);
  await eventually(() => expect(closed).toBe(true));
});
