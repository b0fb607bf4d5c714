import { definePlugin } from "plugboard";
import { describe, expect, test } from "vitest";
import { openAdmin } from "./rig.ts";

describe("reload", () => {
  test("takes the config anew and tells its generation", async () => {
    const { post, proxy } = await openAdmin();
    expect(await post("/admin/reload")).toMatchObject({ status: 200, body: { generation: 2 } });
    expect(proxy.status().generation).toBe(2);
  });

  test("is refused with the problems of the config, and shows no secret", async () => {
    let given = "";
    const refusing = definePlugin({
      name: "refusing",
      setup(proxy) {
        if (given === "") return;
        const fix = "write another";
        proxy.problem({ path: "token", message: "Expected more", received: "canary-of-a-value", fix });
        proxy.problem({ path: "url", message: "Expected a URL", received: "http://user:canary-of-a-password@a" });
      },
    });
    const { post, proxy } = await openAdmin({ plugins: [refusing()] });
    given = "canary";
    const { status, body, text } = await post("/admin/reload");
    expect([status, body]).toEqual([
      422,
      {
        error: {
          code: "reload_refused",
          message: "Not reloaded, the running config stays: 2 problems.",
          problems: [
            {
              plugin: "plugins[2] refusing",
              path: "token",
              message: "Expected more",
              received: "'***'",
              fix: "write another",
            },
            expect.objectContaining({ path: "url", message: "Expected a URL" }),
          ],
        },
      },
    ]);
    expect(text).not.toContain("canary");
    expect(proxy.status().generation).toBe(1);
  });

  test("is 409 when the config may be right and could not be taken", async () => {
    let broken = false;
    const failing = definePlugin({
      name: "failing",
      setup(proxy) {
        proxy.onReady(() => {
          if (broken) throw new Error("http://user:canary@127.0.0.1:9 does not answer");
        });
      },
    });
    const { post, call } = await openAdmin({ plugins: [failing()] });
    broken = true;
    const { status, body, text } = await post("/admin/reload");
    expect([status, body]).toMatchObject([409, { error: { code: "reload_refused" } }]);
    const seen = (await call("/admin/status")).text;
    for (const shown of [text, seen]) {
      expect(shown).toContain("does not answer");
      expect(shown).not.toContain("canary");
    }
  });
});
