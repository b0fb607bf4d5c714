import { expect, test } from "vitest";
import { chat, start } from "./_cli.ts";

async function streaming(): Promise<{
  started: ReturnType<typeof start>;
  reader: ReadableStreamDefaultReader<string>;
}> {
  const started = start(["mock", "--json", "--models", "small", "--chunk-interval", "100"]);
  const { url } = await started.next("ready");
  const { body } = await chat(String(url), { stream: true });
  if (body === null) throw new Error("there is no stream");
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toContain("data:");
  return { started, reader };
}

async function readAll(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let all = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) all += part.value;
  return all;
}

test("an answer that is under way ends before the process does", async () => {
  const { started, reader } = await streaming();
  started.signal("SIGTERM");
  expect(await started.next("draining")).toMatchObject({ active: 1 });
  expect(await readAll(reader)).toContain("data: [DONE]");
  expect(await started.exited).toBe(0);
});

test("a second signal cuts it", async () => {
  const { started, reader } = await streaming();
  started.signal("SIGTERM");
  await started.next("draining");
  started.signal("SIGTERM");
  await expect(readAll(reader)).rejects.toThrow("terminated");
  expect(await started.exited).toBe(0);
});
