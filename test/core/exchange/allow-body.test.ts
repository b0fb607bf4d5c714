import { expect, test, vi } from "vitest";
import { allowBody } from "../../../core/exchange/body.ts";
import { memUpstream } from "../mem-upstream.ts";
import { rehearsed } from "./rehearsed.ts";

test.each([
  ["is told to go on, once", false, 1],
  ["is told nothing once it has its answer", true, 0],
])("a client that waits for a go-ahead %s", async (_what, answered, times) => {
  const x = await rehearsed({ plugins: [memUpstream()] }, { method: "POST", body: "x" });
  x.expectContinue = true;
  const told = vi.spyOn(x.res, "writeContinue").mockImplementation(() => {});
  if (answered) x.res.writeHead(503).flushHeaders();
  allowBody(x);
  allowBody(x);
  expect(told).toHaveBeenCalledTimes(times);
});
