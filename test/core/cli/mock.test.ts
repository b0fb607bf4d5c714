import { expect, test } from "vitest";
import { chat, run, start } from "./_cli.ts";

test("serves its models until a signal ends it", async () => {
  const started = start(["mock", "--json", "--models", "small,large", "--name", "stand-in"]);
  const { url } = await started.next("ready");
  const { data } = (await (await fetch(`${String(url)}/v1/models`)).json()) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual(["small", "large"]);
  const answer = await chat(String(url));
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-mock-backend")).toBe("stand-in");
  started.signal("SIGTERM");
  expect(await started.exited).toBe(0);
});

test("says that its port is taken", async () => {
  const started = start(["mock", "--json"]);
  const { url } = await started.next("ready");
  const { port } = new URL(String(url));
  const { code, stderr } = await run(["mock", "--port", port]);
  expect(stderr).toContain(`port ${port} is in use`);
  expect(code).toBe(1);
});

test("refuses an empty name", async () => {
  const { code, stderr } = await run(["mock", "--models", "a,,b"]);
  expect(stderr).toContain("--models a,,b has an empty name in it");
  expect(code).toBe(2);
});
