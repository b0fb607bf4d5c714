import { describe, expect, test } from "vitest";
import { serveAdmin, serveHeld } from "./_admin.ts";
import { run, start } from "./_cli.ts";

test("status shows listeners, pools, targets and why one is down, and obeys nothing that stands there", async () => {
  const { url, ask } = await serveAdmin();
  const { code, stdout, stderr } = await ask("status");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain(`plugboard  ${url}/admin  generation 1, up `);
  expect(stdout).toContain(", 0 under way");
  expect(stdout).toMatch(/listeners\n {2}✔ main {2}http:\S+\n/u);
  expect(stdout).toContain("pool default  2 of 3 available\n    target  url");
  expect(stdout).toMatch(/ {2}✔ a-1 {5}http:\S+ +0 +0 +0\n/u);
  expect(stdout).toMatch(/ {2}✖ c {7}http:\S+ +0 +0 +0\n {6}saying: fire {2}all over, for \d+ s\n/u);
  expect(stdout).not.toMatch(/[^\n\P{Cc}]|\p{Cf}/u);
});

test("status --json gives what the proxy says as one JSON object", async () => {
  const { url, ask } = await serveAdmin();
  const { code, stdout } = await ask("status --json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    generation: 1,
    listeners: [{ name: "main", url }],
    pools: [{ available: 2, targets: [{ id: "a-1" }, { id: "b/2" }, { id: "c", verdicts: [{ reporter: "saying" }] }] }],
  });
});

test("drain and undrain say what they came to", async () => {
  const { ask } = await serveAdmin();
  const said = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await ask(line);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  expect(await said("drain b/2 --reason driver")).toBe("✔ b/2 gets no new requests; nothing is under way\n");
  expect(await said("status")).toMatch(/✖ b\/2 .*\n {6}drained: driver, for \d+ s\n/u);
  expect(await said("drain a-1 --wait")).toBe(
    "✔ a-1 gets no new requests; nothing is under way\n" +
      "• nothing else is available in pool default: its requests are refused\n",
  );
  expect(await said("status")).toContain("drained by an operator, for ");
  expect(await said("undrain b/2")).toBe("✔ b/2 takes requests\n");
  expect(await said("undrain b/2")).toBe("✔ b/2 takes requests\n");
  expect(await said("undrain c")).toMatch(
    /^✔ c is drained no longer, and is down all the same:\n {2}saying: fire {2}all over, for \d+ s\n$/u,
  );
});

test("drain --wait ends when nothing is under way, and no answer is cut", async () => {
  const { url, answer, end } = await serveHeld();
  const waiting = start(["drain", "held", "--wait"], { env: { PLUGBOARD_ADMIN_URL: url } });
  expect(await waiting.next("text")).toMatchObject({ text: "✔ held gets no new requests; 1 under way" });
  end();
  expect(await waiting.next("text")).toMatchObject({ text: "✔ held is idle" });
  expect(await waiting.exited).toBe(0);
  expect(await answer).toBe("begun");
});

test("drain --wait fails when somebody else ends the drain", async () => {
  const { url, ask, answer, end } = await serveHeld();
  const waiting = start(["drain", "held", "--wait"], { env: { PLUGBOARD_ADMIN_URL: url } });
  await waiting.next("text");
  expect((await ask("undrain held")).stdout).toBe("✔ held takes requests\n");
  expect(await waiting.next("text")).toMatchObject({
    text: "✖ held is drained no longer: somebody else ended it",
  });
  expect(await waiting.exited).toBe(1);
  end();
  expect(await answer).toBe("begun");
});

describe("the token", () => {
  const secret = "0123456789-canary";
  const options = "{ token: process.env.SECRET, path: '/_ops' }";

  test("comes by flag or variable, and is shown nowhere", async () => {
    const { url } = await serveAdmin({ options, env: { SECRET: secret } });
    const status = ["status", "--url", `${url}/_ops/`];
    expect(await run([...status, "--token", secret])).toMatchObject({ code: 0 });
    expect(await run(status, { env: { PLUGBOARD_ADMIN_TOKEN: secret } })).toMatchObject({ code: 0 });
    const flagFirst = await run([...status, "--token", "another"], { env: { PLUGBOARD_ADMIN_TOKEN: secret } });
    const none = await run(status);
    for (const { code, stdout, stderr } of [flagFirst, none]) {
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).not.toContain("canary");
    }
    expect(flagFirst.stderr).toContain(`the admin plugin at ${url}/_ops does not take this token`);
    expect(none.stderr).toContain(`the admin plugin at ${url}/_ops needs its token`);
    expect(none.stderr).toContain("set PLUGBOARD_ADMIN_TOKEN, or pass --token");
  });

  test("is no key of a client, and it is told what to do about guards before it", async () => {
    const key = `keys({ keys: [{ name: "x", hash: "${"0".repeat(64)}" }], open: ["/open/*"] })`;
    const { ask } = await serveAdmin({ plugins: key });
    const { code, stderr } = await ask("status");
    expect(code).toBe(1);
    expect(stderr).toContain("a guard of the proxy refused this before the admin plugin was asked: A key is needed");
    expect(stderr).toContain('keys({ open: ["/admin/*"] })');
  });
});
