import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { createProxy, type ListenerConfig, type ProxyConfig } from "plugboard";
import { keys } from "plugboard/plugins/guard/keys";
import { openaiErrors } from "plugboard/plugins/errors/openai-errors";
import { vllmErrors } from "plugboard/plugins/errors/vllm-errors";
import { createAccess } from "../../../plugins/admin/_access.ts";
import { admin } from "../../../plugins/admin/admin.ts";
import { eventually } from "../../e2e/eventually.ts";
import { openAdmin, send, upstream } from "./rig.ts";

const token = "0123456789abcdef";
const bearer = (given: string) => ({ authorization: `Bearer ${given}` });

describe("without a token", () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ["through another proxy", { "x-forwarded-for": "10.0.0.1" }],
    ["through another proxy that says so as RFC 7239 has it", { forwarded: "for=10.0.0.1" }],
    ["by a name that was made to lead here", { host: "evil.example" }],
    ["by such a name that looks like an address", { host: "127.0.0.1.evil.example:80" }],
    ["a page of another site", { "sec-fetch-site": "cross-site" }],
    ["a page of another port of this machine", { origin: "http://127.0.0.1:1" }],
    ["a page without a site", { origin: "null" }],
  ])("nobody gets in %s", async (_, headers) => {
    const rig = await openAdmin({ targets: [await upstream("a")] });
    for (const [method, path, body] of [
      ["GET", "/admin/status", undefined],
      ["GET", "/admin/config", undefined],
      ["POST", "/admin/drain", { target: "a" }],
      ["POST", "/admin/targets/a/drain", undefined],
      ["POST", "/admin/cooldowns/clear", undefined],
      ["POST", "/admin/reload", undefined],
      ["DELETE", "/admin/nothing", undefined],
    ] as const) {
      const { status, text } = await rig.call(path, { method, body, headers });
      expect([status, text]).toEqual([403, expect.stringMatching(/without a token/iu)]);
    }
    expect(rig.pool().verdicts("a")).toEqual([]);
    expect(rig.proxy.status().generation).toBe(1);
  });

  test("no other machine gets in, whatever host it names", () => {
    const from = (remoteAddress: string | undefined) =>
      ({ socket: { remoteAddress }, headers: { host: "localhost" } }) as unknown as IncomingMessage;
    const admit = createAccess({ status: () => ({ listeners: [] }) as never }, undefined);
    for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "1127.0.0.1", undefined])
      expect(() => admit(from(address), {} as ServerResponse)).toThrow("Only clients on this machine");
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) admit(from(address), {} as ServerResponse);
  });

  test("this machine gets in, and pages of its own", async () => {
    const rig = await openAdmin();
    const { host } = new URL(rig.url);
    const same = { host, origin: rig.url, "sec-fetch-site": "same-origin" };
    const good: Readonly<Record<string, string>>[] = [{}, { host: "localhost:1" }, { host: "[::1]" }, same];
    for (const headers of good) expect(await rig.call("/admin/status", { headers })).toMatchObject({ status: 200 });
    const { status } = await rig.proxy.fetch(new Request("http://localhost/admin/status"));
    expect(status).toBe(200);
  });
});

describe("with a token", () => {
  test("whoever shows it gets in, from anywhere", async () => {
    const { call } = await openAdmin({ admin: { token } });
    const headers = { ...bearer(token), host: "any.example", "x-forwarded-for": "10.0.0.1" };
    expect((await call("/admin/status", { headers })).status).toBe(200);
  });

  test.each([
    ["none", {}],
    ["another", bearer("0123456789abcdeF")],
    ["the beginning", bearer("0123456789abcde")],
    ["more", bearer(`${token}0`)],
    ["another scheme", { authorization: `Basic ${token}` }],
    ["nothing", { authorization: "Bearer " }],
    ["it elsewhere", { "x-api-key": token }],
  ])("nobody gets in who shows %s, this machine neither", async (_, headers) => {
    const { call, post, proxy } = await openAdmin({ admin: { token }, targets: [await upstream("a")] });
    const { status, headers: answered, text } = await call("/admin/status", { headers });
    expect([status, answered["www-authenticate"]]).toEqual([401, "Bearer"]);
    expect(text).not.toContain(token);
    expect((await call("/admin/nothing", { headers })).status).toBe(401);
    expect((await post("/admin/drain", { target: "a" })).status).toBe(401);
    expect(proxy.lines.join("\n")).not.toContain(token);
  });

  test("a query shows no token", async () => {
    const { call } = await openAdmin({ admin: { token } });
    expect((await call(`/admin/status?token=${token}`)).status).toBe(401);
  });

  test("a refusal is told in the dialect of the proxy", async () => {
    const openai = await openAdmin({ admin: { token }, plugins: [openaiErrors()] });
    expect((await openai.call("/admin/status")).body).toMatchObject({
      error: { type: "authentication_error", code: "unauthorized", message: expect.stringContaining("its token") },
    });
    const vllm = await openAdmin({ admin: { token }, plugins: [vllmErrors()] });
    expect((await vllm.call("/admin/status")).text).toBe("This takes its token: Authorization: Bearer TOKEN.");
  });

  test("it is not among the keys of clients, where these leave its paths alone", async () => {
    const plugins = [keys({ keys: [{ name: "alice", hash: "0".repeat(64) }], open: ["/admin/*"] })];
    const { call } = await openAdmin({ admin: { token }, plugins });
    expect((await call("/admin/status", { headers: bearer(token) })).status).toBe(200);
    expect((await call("/admin/status")).status).toBe(401);
  });
});

describe("a port of its own", () => {
  const ops: ListenerConfig = { port: 0, control: ["admin"] };

  test("is the only one that answers then", async () => {
    const rig = await openAdmin({ targets: [await upstream("a")], config: { listeners: { ops } } });
    const url = rig.proxy.listeners().find(({ name }) => name === "ops")?.url as string;
    expect((await send(url, "/admin/status")).body).toMatchObject({ generation: 1 });
    expect((await send(url, "/admin/drain", { method: "POST", body: { target: "a" } })).status).toBe(200);
    expect((await send(url, "/admin/undrain", { method: "POST", body: { target: "a" } })).status).toBe(200);
    expect((await send(url, "/v1/chat")).status).toBe(404);
    expect((await rig.call("/admin/status")).text).toBe("a");
  });

  test("may be the proxy's only one on this machine", async () => {
    const rig = await openAdmin({ config: { host: "0.0.0.0", listeners: { ops } }, host: "0.0.0.0" });
    const url = rig.proxy.listeners().find(({ name }) => name === "ops")?.url as string;
    expect((await send(url, "/admin/status")).status).toBe(200);
    expect(rig.proxy.lines).toEqual([]);
  });
});

describe("where others than this machine could reach it", () => {
  const load = (config: Partial<ProxyConfig>) => createProxy({ plugins: [admin()], ...config });
  const closed = async (config: Partial<ProxyConfig>) => (await load(config)).close();

  test.each<[string, Partial<ProxyConfig>, string]>([
    ["by the proxy's own port", { host: "0.0.0.0" }, "listener main serves it on 0.0.0.0"],
    ["by an address of a network", { host: "192.0.2.1" }, "listener main serves it on 192.0.2.1"],
    ["by a name", { host: "gateway.internal" }, "listener main serves it on gateway.internal"],
    ["by IPv6", { host: "::" }, "listener main serves it on ::"],
    ["by another port", { listeners: { b: { port: 0, host: "0.0.0.0" } } }, "listener b serves it on 0.0.0.0"],
    [
      "by a port of its own",
      { listeners: { b: { port: 0, host: "::", control: ["admin"] } } },
      "listener b serves it on ::",
    ],
    ["by a port of all control", { listeners: { b: { port: 0, host: "::", control: true } } }, "listener b serves it"],
    ["in a group", { host: "::", plugins: [[admin()]] }, "listener main serves it on ::"],
    [
      "as a plugin of a port",
      { plugins: [], listeners: { b: { port: 0, host: "::", plugins: [admin()] } } },
      "listener b serves it on ::",
    ],
    [
      "as a plugin of a mount",
      { plugins: [], host: "::", mounts: [{ path: "/a", plugins: [admin()] }, { path: "/" }] },
      "listener main serves it on ::",
    ],
    [
      "as a plugin of a mount of a port",
      { plugins: [], listeners: { b: { port: 0, host: "::", mounts: [{ path: "/a", plugins: [admin()] }] } } },
      "listener b serves it on ::",
    ],
  ])("a config without a token is refused: %s", async (_, config, says) => {
    await expect(load(config)).rejects.toThrow(says);
    await expect(load(config)).rejects.toThrow("give it a token, or a listener of its own");
  });

  test.each<[string, Partial<ProxyConfig>]>([
    ["with a token", { plugins: [admin({ token })], host: "0.0.0.0" }],
    ["on a port of its own here", { host: "0.0.0.0", listeners: { b: { port: 0, control: ["admin"] } } }],
    ["as a plugin of a port here", { plugins: [], host: "::", listeners: { b: { port: 0, plugins: [admin()] } } }],
    ["beside a control port of others", { listeners: { b: { port: 0, host: "::", control: [] } } }],
    ["by other names of this machine", { host: "localhost", listeners: { b: { port: 0, host: "127.0.0.2" } } }],
    ["by IPv6 here", { host: "::1" }],
  ])("a config is taken: %s", async (_, config) => {
    await closed(config);
  });

  test("nothing is answered without a token, and that is warned of, where only a call has it listen", async () => {
    const rig = await openAdmin({ host: "0.0.0.0" });
    const { status, text } = await rig.call("/admin/status");
    expect([status, text]).toEqual([403, expect.stringContaining("Listener main is bound to 0.0.0.0")]);
    await eventually(() =>
      expect(rig.proxy.lines.join("\n")).toContain("warn: listener main is bound to 0.0.0.0: without a token"),
    );
    await rig.proxy.reload({ ...rig.config, plugins: [admin({ token })] });
    expect((await rig.call("/admin/status", { headers: bearer(token) })).status).toBe(200);
  });
});
