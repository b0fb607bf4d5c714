import { createProxy, type Exchange } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { answering } from "../../wire/evil-upstream.ts";
import { get, ok } from "../../wire/messages.ts";
import { openWire } from "../../wire/open-wire.ts";
import { at, within } from "../../wire/waiting.ts";
import { keptLog } from "../kept-log.ts";
import { memUpstream, sayOk } from "../mem-upstream.ts";
import { openProxy } from "../open-proxy.ts";
import { hooks } from "../quick-plugin.ts";
import { beginExtra, reached } from "./begin-extra.ts";
import { sidePlugin, told } from "./side-plugin.ts";

const pair = ["a", "b"].map((id) => ({ id, url: `mem://${id}` }));

describe("a detached extra attempt", () => {
  test("goes on when the client leaves, and is told when it ends", async () => {
    const begun = await beginExtra({ detached: 5_000 });
    const peer = await reached(begun);
    begun.client.reset();
    await within(begun.log.ended(1), "the exchange ends");
    expect(begun.side.target.live.inflight).toBe(1);
    await peer.write(ok("released"));
    expect(await within(told(begun.attempt.answer), "it is answered")).toBe("200 released");
    expect(begun.log.told.map(({ hook, outcome }) => [hook, outcome.kind])).toEqual([
      ["end", "client-abort"],
      ["attemptEnd", "ok"],
    ]);
    expect(begun.side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("may begin when the exchange is over, and is prepared as ever", async () => {
    const answers: Promise<string>[] = [];
    const writing = hooks({ upstreamRequest: ({ upstream, target }) => void (upstream.headers["x-to"] = target?.id) });
    const side = sidePlugin((own) => ({
      end(x) {
        const edit = (upstream: Exchange["upstream"]): void => void (upstream.path = "/release");
        answers.push(told(own.attempt(x, { detached: 5_000, edit }).answer));
        return undefined;
      },
    }));
    const script = answering(({ path, get: header }) => ok(`${path} ${header("x-to") !== undefined}`));
    const wire = await openWire([answering(ok("main")), script], { plugins: [writing, side.plugin] });
    const client = await wire.client();
    await client.send(get("/"));
    await client.response();
    client.destroy();
    await eventually(() => expect(answers).toHaveLength(1));
    expect(await within(at(answers), "it is answered")).toBe("200 /release true");
    await eventually(() => expect(wire.proxy.status().active).toBe(0));
    expect(side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("is given up when its time is over, which is no failure of its target", async () => {
    const begun = await beginExtra({ detached: 60 });
    const peer = await reached(begun);
    begun.client.reset();
    await within(peer.ending, "the upstream sees it");
    expect(await told(begun.attempt.answer)).toBe("total_timeout");
    expect(begun.log.attempts).toMatchObject([{ kind: "timeout", error: { code: "total_timeout" } }]);
    expect(begun.side.target.live).toMatchObject({ requests: 1, inflight: 0, failures: 0 });
  });

  test("holds up neither a reload nor the end of the proxy, with which it ends", async () => {
    const begun = await beginExtra({ detached: 60_000 });
    const peer = await reached(begun);
    begun.client.reset();
    await within(begun.log.ended(1), "the exchange ends");
    await begun.wire.proxy.reload();
    expect(begun.side.target.live.inflight).toBe(1);
    await within(begun.wire.proxy.close(), "the proxy closes");
    expect(await within(told(begun.attempt.answer), "it ends too")).toBe("client_closed");
    await within(peer.ending, "its connection is closed");
    expect(begun.log.attempts).toHaveLength(1);
  });

  test("is not begun when the proxy is closed", async () => {
    let kept: Exchange | undefined;
    const side = sidePlugin(() => ({ end: (x) => void (kept = x) }));
    const proxy = await createProxy({ plugins: [memUpstream(sayOk, pair), side.plugin] }, { log: keptLog().log });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    const { target } = side;
    await (await proxy.fetch(new Request("http://proxy/"))).text();
    await proxy.close({ deadline: 0 });
    const { answer } = side.proxy.attempt(kept as Exchange, target, { detached: 60_000 });
    expect(await told(answer)).toBe("draining");
    expect(target.live).toMatchObject({ requests: 0, inflight: 0 });
  });

  test("that a plugin's fault ends is in the log, as nobody may wait for it", async () => {
    const boom = (): never => {
      throw new Error("boom");
    };
    const side = sidePlugin((own) => ({ admit: (x) => void own.attempt(x, { detached: 1_000, edit: boom }) }));
    const proxy = await openProxy({ plugins: [memUpstream(sayOk, pair), side.plugin] });
    expect(await (await proxy.fetch(new Request("http://proxy/"))).text()).toBe("a");
    expect(proxy.lines.filter((line) => line.includes("boom"))).toHaveLength(1);
  });
});
