import { expect, test } from "vitest";
import { eventually } from "../../e2e/eventually.ts";
import { breaks, outliers, says } from "./outliers.ts";

test("a failed trial ejects for longer each time, up to the most", async () => {
  const proxy = await outliers(["a", "b"], { consecutive: 1, duration: 100, maxDuration: 250 });
  proxy.answers.set("a", breaks);
  for (let ejections = 1; ejections <= 4; ejections++) {
    await eventually(() => expect(proxy.available()).toContain("a"));
    await eventually(async () => {
      await proxy.ask("a");
      expect(proxy.log).toHaveLength(ejections);
    });
    await proxy.turned("a", false);
  }
  const lengths = proxy.log.map((line) => line.replace(/.*for (.*) s: (.*)$/, "$1 $2"));
  expect(lengths).toEqual([
    "0.1 1 failures in a row, the last: reset",
    "0.2 a trial request failed (reset)",
    "0.3 a trial request failed (reset)",
    "0.3 a trial request failed (reset)",
  ]);
});

test("ejections are forgiven, one for each time that passes in rotation", async () => {
  let time = 0;
  const proxy = await outliers(["a", "b"], { consecutive: 1, duration: 100, maxDuration: 1_000, now: () => time });
  const eject = async (): Promise<string | undefined> => {
    proxy.answers.set("a", says(502));
    await proxy.ask("a");
    await proxy.turned("a", false);
    return proxy.log.at(-1)?.replace(/.*for (.*) s: .*$/, "$1");
  };
  const readmit = async (): Promise<void> => {
    await proxy.turned("a", true);
    time += 1_000;
    proxy.answers.delete("a");
    await proxy.ask("a");
    expect(proxy.log.at(-1)).toBe("info: target a is back");
  };
  const lengths = [await eject()];
  await readmit();
  lengths.push(await eject());
  await readmit();
  lengths.push(await eject());
  await readmit();
  time += 200;
  lengths.push(await eject());
  expect(lengths).toEqual(["0.1", "0.2", "0.3", "0.2"]);
});

test("each ejection is longer or shorter by the jitter", async () => {
  const proxy = await outliers(["a", "b"], {
    consecutive: 1,
    duration: 1_000_000,
    maxDuration: 1_000_000,
    jitter: 0.1,
  });
  proxy.answers.set("a", says(502));
  await proxy.ask("a");
  await proxy.turned("a", false);
  const seconds = Number(/for (.*) s:/.exec(proxy.log[0] ?? "")?.[1]);
  expect(seconds).toBeGreaterThanOrEqual(900);
  expect(seconds).toBeLessThanOrEqual(1_100);
  expect(seconds).not.toBe(1_000);
});
