import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { limitedProcess, type LimitedProcess, type ProcessLimits } from "../../core/listeners/limited-process.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openUpstream } from "../../e2e/open-upstream.ts";
import { type Ask, asking, matching } from "./overload-rig.ts";

interface InProcess extends LimitedProcess {
  readonly ask: Ask;
  /** Responses that have begun, and that the test ends. */
  readonly streams: ServerResponse[];
}

async function inProcess(limits: ProcessLimits): Promise<InProcess> {
  const streams: ServerResponse[] = [];
  const url = await openUpstream((request, response) => {
    response.write("a");
    if (request.url === "/stream") streams.push(response);
    else response.end();
  });
  const process = await limitedProcess(new URL("overload-proxy.mjs", import.meta.url), [url], limits);
  return { ...process, ask: asking(process.port), streams };
}

test(
  "a heap that fills up: first connections are not kept, then requests are refused; what is under way ends well",
  { timeout: 30_000 },
  async () => {
    const { order, ask, lines, streams } = await inProcess({ heap: 256 });
    const stream = ask("/stream");
    await eventually(() => expect(streams).toHaveLength(1));
    expect(await ask("/")).toMatchObject({ status: 200, connection: "keep-alive" });
    await order("heap", 0.93);
    await expect.poll(async () => (await ask("/")).connection, { timeout: 10_000 }).toBe("close");
    expect(await ask("/")).toMatchObject({ status: 200 });
    await order("heap", 0.955);
    await expect.poll(async () => (await ask("/")).status, { timeout: 10_000 }).toBe(503);
    expect(await ask("/health")).toMatchObject({ status: 200, connection: "close" });
    expect(matching(lines, "of a heap of")).toEqual([
      expect.stringMatching(/^warn: connections are not kept alive: 9\d % of a heap of \d+ MiB$/),
      expect.stringMatching(/^warn: new requests are refused: 9\d % of a heap of \d+ MiB$/),
    ]);
    streams[0]?.end("b");
    expect(await stream).toMatchObject({ status: 200, body: "ab" });
    await order("free");
    await expect
      .poll(async () => [(await ask("/")).status, (await ask("/")).connection], { timeout: 12_000 })
      .toEqual([200, "keep-alive"]);
  },
);

test.runIf(process.platform === "linux")("descriptors that run out are kept for what is under way", async () => {
  const { order, ask, lines } = await inProcess({ descriptors: 256 });
  expect(await ask("/")).toMatchObject({ status: 200 });
  await order("files", 0.92);
  await expect.poll(async () => (await ask("/")).status, { timeout: 10_000 }).toBe(503);
  expect(await ask("/health")).toMatchObject({ status: 200 });
  await order("free");
  await expect.poll(async () => (await ask("/")).status, { timeout: 10_000 }).toBe(200);
  await eventually(() =>
    expect(matching(lines, "file descriptors")).toEqual([
      expect.stringContaining("warn: this process may have"),
      expect.stringMatching(/^warn: new requests are refused: 9\d % of 256 file/),
      expect.stringMatching(/^info: no longer, after \d+ s and \d+ requests/),
    ]),
  );
});
