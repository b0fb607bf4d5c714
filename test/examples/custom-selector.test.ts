import { expect, test } from "vitest";
import config from "../../examples/custom-selector.ts";
import { openConfig } from "../e2e/open-proxy.ts";

test("the cheapest target answers each time", async () => {
  const { url } = await openConfig(config);
  for (let request = 0; request < 4; request++) {
    const response = await fetch(`${url}/v1/models`);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-mock-backend")).toBe("cheap");
    await response.text();
  }
});
