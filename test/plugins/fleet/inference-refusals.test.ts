import { type IncomingMessage, request } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { createAccess } from "../../../plugins/fleet/_inference-access.ts";
import { openStranger } from "./backend-rig.ts";
import { type Called, openControl, quick } from "./inference-rig.ts";

// Each starts processes, and a busy machine takes its time for that.
vi.setConfig({ testTimeout: 20_000 });

const path = "/api/v1/inference/up";

describe("a body that is wrong is refused with 422, by field", () => {
  const fault = (type: string, ...loc: (string | number)[]) => expect.objectContaining({ type, loc: ["body", ...loc] });
  const good = { model: "m", dtype: "auto" };
  const cases: [string, unknown, unknown[]][] = [
    ["nothing in it", {}, [fault("missing", "model"), fault("missing", "dtype")]],
    ["a list", [], [fault("dict_type")]],
    ["no JSON", "{", [fault("json_invalid")]],
    ["a number for a model", { ...good, model: 1 }, [fault("string_type", "model")]],
    ["an option for a model", { ...good, model: "--host=0.0.0.0" }, [fault("value_error", "model")]],
    ["an option for a dtype", { ...good, dtype: "-x" }, [fault("value_error", "dtype")]],
    ["a line end in a model", { ...good, model: "a\nb" }, [fault("value_error", "model")]],
    ["a word for arguments", { ...good, additional_args: "-tp 2" }, [fault("list_type", "additional_args")]],
    ["a number in arguments", { ...good, additional_args: ["-tp", 2] }, [fault("string_type", "additional_args", 1)]],
    ["NUL in arguments", { ...good, additional_args: ["a\0"] }, [fault("value_error", "additional_args", 0)]],
  ];
  for (const size of ["0", "-1", "two", "1.5", "", "1e3", "999999"]) {
    const args = ["--x", "--tensor-parallel-size", size];
    cases.push([
      `a size of "${size}"`,
      { ...good, additional_args: args },
      [fault("value_error", "additional_args", 1)],
    ]);
  }
  for (const arg of ["-tp", "-pp=x", "--pipeline_parallel_size=0", "--tensor-parallel=0", "--pipeline=-1"])
    cases.push([`the size ${arg}`, { ...good, additional_args: [arg] }, [fault("value_error", "additional_args", 0)]]);
  for (const arg of ["--host", "--port=1", "--uds", "--ssl-keyfile", "--ssl_certfile=a", "--por", "--ho=1"])
    cases.push([
      `the argument ${arg}`,
      { ...good, additional_args: [arg] },
      [fault("value_error", "additional_args", 0)],
    ]);

  test.each(cases)("%s", async (_, body, detail) => {
    const { call, status } = await openControl();
    expect(await call("POST", path, body)).toEqual({ status: 422, body: { detail } });
    expect(await status()).toMatchObject({ status: "not_started" });
  });
});

test("a body of another type than JSON is refused", async () => {
  const { call } = await openControl();
  const body = JSON.stringify({ model: "m", dtype: "auto" });
  expect(await call("POST", path, body, { "content-type": "text/plain" })).toMatchObject({ status: 422 });
});

test("a body of more than 1 MiB is refused", async () => {
  const { call } = await openControl();
  expect(await call("POST", path, { model: "m".repeat(1_100_000), dtype: "auto" })).toMatchObject({ status: 413 });
});

test("arguments that only look like those are passed on", async () => {
  const control = await openControl();
  const args = ["--hf-token", "x", "--served-model-name", "ssl", "--distributed-executor-backend", "mp", "-O3"];
  expect((await control.up([], args)).status).toBe(200);
});

/** As a client without manners sends it. */
function raw(url: string, headers: Readonly<Record<string, string>>, body = ""): Promise<Called> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${body === "" ? "/api/v1/state" : path}`, {
      method: body === "" ? "GET" : "POST",
      headers,
    });
    sent.on("error", reject);
    sent.on("response", (res) => {
      let text = "";
      res.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      res.on("end", () => resolve({ status: res.statusCode ?? 0, body: JSON.parse(text) as Called["body"] }));
    });
    sent.end(body);
  });
}

test("a body without a type counts as JSON", async () => {
  const { url } = await openControl();
  expect(await raw(url, {}, '{"model":"m","dtype":"auto"}')).toEqual({ status: 200, body: { status: "OK" } });
});

describe("a start that fails leaves nothing, and is told by its status", () => {
  test("500 when an engine ends before any is ready", async () => {
    const control = await openControl({ gpus: 2, stagger: 0 });
    const { status, body } = await control.up(["exit@1", "unhealthy@0"]);
    expect([status, body["detail"]]).toEqual([500, "VLLM failed to start: inference-2 exited with code 3."]);
    expect(control.proxy.lines.join("\n")).toContain("no such model");
    expect(control.proxy.pools()[0]?.snapshot.all).toEqual([]);
    expect((await control.engines()).map(({ state, pid }) => [state, pid])).toEqual([
      ["stopped", undefined],
      ["stopped", undefined],
    ]);
  });

  test("500 when there is no such program", async () => {
    const control = await openControl({ command: ["/no/such/program", "{model}"] });
    const { status, body } = await control.up([], ["--api-key", "hush"]);
    expect([status, body["detail"]]).toEqual([500, expect.stringContaining("there is no program /no/such/program")]);
    expect(control.proxy.lines.join("\n")).not.toContain("hush");
  });

  test("500 when the port is taken", async () => {
    const { port } = await openStranger();
    const control = await openControl({ port: port - 1 });
    const { status, body } = await control.up();
    expect([status, body["detail"]]).toEqual([500, expect.stringContaining(`port ${port} is taken by process`)]);
  });

  test("504 when the deadline passes", async () => {
    const control = await openControl({ ready: { ...quick.ready, deadline: 400 } });
    const { status, body } = await control.up(["silent"]);
    expect([status, body["detail"]]).toEqual([504, "VLLM failed to start: no instance answered within 400 ms."]);
    expect(await control.engines()).toMatchObject([{ state: "stopped", pid: undefined }]);
  });
});

describe("who may use it", () => {
  test.each([
    ["through another proxy", { "x-forwarded-for": "10.0.0.1" }],
    ["by a name that was made to lead here", { host: "evil.example" }],
    ["by such a name with a port", { host: "127.0.0.1.evil.example:80" }],
    ["a page of another site", { "sec-fetch-site": "cross-site" }],
    ["a page of another port", { origin: "http://127.0.0.1:1" }],
    ["a page without a site", { origin: "null" }],
  ] as const)("without a token not: %s", async (_, headers) => {
    const { url } = await openControl();
    expect(await raw(url, headers)).toMatchObject({ status: 403 });
    expect(await raw(url, headers, '{"model":"m","dtype":"auto"}')).toMatchObject({ status: 403 });
  });

  test("without a token no other machine, whatever host it names", () => {
    const from = (remoteAddress: string) =>
      ({ socket: { remoteAddress }, headers: { host: "localhost" } }) as unknown as IncomingMessage;
    const admit = createAccess({ clients: "loopback" });
    for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "1127.0.0.1"])
      expect(() => admit(from(address))).toThrow("Only clients on this machine");
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) admit(from(address));
  });

  test("without a token clients on this machine, and pages of its own", async () => {
    const { url } = await openControl();
    const { host } = new URL(url);
    expect((await raw(url, {})).status).toBe(200);
    expect((await raw(url, { host: "localhost:1" })).status).toBe(200);
    expect((await raw(url, { host, origin: url, "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  test("with a token whoever shows it, from anywhere", async () => {
    const { url, proxy } = await openControl({ token: "0123456789abcdef" });
    for (const authorization of ["Bearer 0123456789abcdeF", "Basic 0123456789abcdef", ""])
      expect(await raw(url, { authorization })).toMatchObject({ status: 401 });
    const given = { authorization: "Bearer 0123456789abcdef", host: "any.example", "x-forwarded-for": "10.0.0.1" };
    expect((await raw(url, given)).status).toBe(200);
    expect(proxy.lines.join("\n")).not.toContain("0123456789abcdef");
  });

  test("anyone but pages of other sites when that is wanted, which is warned of", async () => {
    const { url, proxy } = await openControl({ clients: "any" });
    expect((await raw(url, { host: "any.example", "x-forwarded-for": "10.0.0.1" })).status).toBe(200);
    expect((await raw(url, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect(proxy.lines.join("\n")).toContain("anyone who reaches this proxy can start programs on it");
  });
});
