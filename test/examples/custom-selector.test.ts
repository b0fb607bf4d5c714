import { readFileSync } from "node:fs";
import { testSelector } from "plugboard/testing";
import { expect, test } from "vitest";
import config, { cheapest } from "../../examples/custom-selector.ts";
import { openConfig } from "../e2e/open-proxy.ts";

testSelector({ test, create: () => cheapest() });

test("it is the one that the README shows", () => {
  const source = readFileSync(new URL("../../examples/custom-selector.ts", import.meta.url), "utf8");
  const selector = source.slice(source.indexOf("// One of weight 0"), source.indexOf("export default")).trim();
  expect(readFileSync(new URL("../../README.md", import.meta.url), "utf8")).toContain(selector);
});

test("the cheapest target answers each time", async () => {
  const { url } = await openConfig(config);
  for (let request = 0; request < 4; request++) {
    const response = await fetch(`${url}/v1/models`);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-mock-backend")).toBe("cheap");
    await response.text();
  }
});
