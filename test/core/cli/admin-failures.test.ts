import { describe, expect, test } from "vitest";
import { closedPort, openServer, serveAdmin } from "./_admin.ts";
import { createProject, run, says, serve } from "./_cli.ts";

const commands = ["status", "drain a", "undrain a"];

test.each(commands)("%s tells that nothing runs there", async (line) => {
  const url = await closedPort();
  const { code, stdout, stderr } = await run(line.split(" "), { env: { PLUGBOARD_ADMIN_URL: url } });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toBe(
    `✖ nothing listens at ${url}\n  → is the proxy running? Name another address with --url or $PLUGBOARD_ADMIN_URL\n`,
  );
});

describe("tells that there is no admin plugin", () => {
  test("where the proxy has none, whatever it answers there", async () => {
    const { directory } = await createProject({ "proxy.config.mjs": says("1") });
    const { url } = await serve([], { cwd: directory });
    for (const line of commands) {
      const { code, stdout, stderr } = await run([...line.split(" "), "--url", url]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toContain(`there is no admin plugin at ${url}/admin`);
      expect(stderr).toContain("add admin() to the config of the proxy");
    }
  });

  test("where it is at another path", async () => {
    const { url } = await serveAdmin({ options: "{ path: '/_ops' }" });
    expect((await run(["status", "--url", url])).stderr).toContain(`there is no admin plugin at ${url}/admin`);
    expect(await run(["status", "--url", `${url}/_ops`])).toMatchObject({ code: 0 });
  });

  test("where a redirect leads elsewhere, which is not followed with the token", async () => {
    const got: string[] = [];
    const elsewhere = await openServer((request, response) => {
      got.push(String(request.headers.authorization));
      response.end();
    });
    const url = await openServer((_request, response) => void response.writeHead(307, { location: elsewhere }).end());
    const { code, stderr } = await run(["status", "--url", url, "--token", "0123456789abcdef"]);
    expect(code).toBe(1);
    expect(stderr).toContain("there is no admin plugin");
    expect(got).toEqual([]);
  });
});

test("tells of a server that speaks something else", async () => {
  const url = await openServer((request) => void request.socket.end("SSH-2.0-x\r\n"));
  const { code, stderr } = await run(["status", "--url", url]);
  expect(code).toBe(1);
  expect(stderr).toContain(`${url} cannot be reached: HPE_INVALID_CONSTANT`);
});

test.each([
  ["no JSON", "<html>", "answers what is no JSON"],
  ["of another version", "{}", "answers what is not known here"],
])("tells of an admin plugin whose answer is %s", async (_, body, message) => {
  const url = await openServer(
    (_request, response) => void response.writeHead(200, { "x-plugboard-admin": "1" }).end(body),
  );
  const { code, stderr } = await run(["status", "--url", url]);
  expect(code).toBe(1);
  expect(stderr).toContain(message);
});

test("refuses a target that there is not, with the one that was perhaps meant", async () => {
  const { ask } = await serveAdmin();
  for (const command of ["drain", "undrain"]) {
    const { code, stdout, stderr } = await ask(`${command} a1`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toBe("✖ There is no target 'a1'; did you mean 'a-1'?\n");
  }
});

describe.concurrent("refuses with exit code 2 and a hint", () => {
  test.each([
    ["drain", "which target?", "plugboard status lists them"],
    ["undrain", "which target?", "plugboard undrain TARGET"],
    ["drain a b", "unexpected argument b", ""],
    ["drain a --raeson x", "unknown option --raeson", "did you mean --reason?"],
    ["status --url 127.0.0.1:1", "--url 127.0.0.1:1 is no URL of a proxy", "did you mean http://127.0.0.1:1?"],
    ["status --url http://me:secret@127.0.0.1:1", "--url has credentials in it", "$PLUGBOARD_ADMIN_TOKEN"],
    ["status --url http://127.0.0.1:1/?a=b", "is no URL of a proxy", ""],
    ["status --token é", "--token is no token", ""],
    ["stauts", "unknown command stauts", "did you mean plugboard status?"],
  ])("%s", async (line, message, fix) => {
    const { code, stdout, stderr } = await run(line.split(" "));
    expect(stderr).toContain(message);
    expect(stderr).toContain(fix);
    expect(stderr).not.toContain("secret");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test.each([
    [{ PLUGBOARD_ADMIN_URL: "nowhere" }, "PLUGBOARD_ADMIN_URL nowhere is no URL of a proxy"],
    [{ PLUGBOARD_ADMIN_TOKEN: "two words" }, "PLUGBOARD_ADMIN_TOKEN is no token"],
  ])("variables: %o", async (env, message) => {
    const { code, stderr } = await run(["status"], { env });
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

test("a failure is one JSON object with --json", async () => {
  const { code, stderr } = await run(["status", "--json", "--url", await closedPort()]);
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ event: "failed", message: expect.stringContaining("nothing listens") });
});
