import { describe, expect, test } from "vitest";
import { admin } from "../../../plugins/admin/admin.ts";
import { available, openAdmin, two } from "./rig.ts";

describe("a target is named", () => {
  const ids = ["gpu-1", "org/gpu:1", "http://127.0.0.1:9/v1", "x/drain", "a/undrain/drain"];
  test.each(ids)("by its id in the path or the body: %s", async (id) => {
    const rig = await openAdmin({ targets: [{ id, url: "http://127.0.0.1:9" }] });
    for (const [drain, undrain, body] of [
      ["/admin/drain", "/admin/undrain", { target: id }],
      [`/admin/targets/${id}/drain`, `/admin/targets/${id}/undrain`, undefined],
      [`/admin/targets/${id.replaceAll(":", "%3A")}/drain`, `/admin/targets/${id}/undrain`, { target: id }],
    ] as const) {
      expect(await rig.post(drain, body)).toMatchObject({ status: 200, body: { target: id, drained: true } });
      expect(available(rig)).toEqual([]);
      expect(await rig.post(undrain, body)).toMatchObject({ status: 200, body: { target: id, drained: false } });
      expect(available(rig)).toEqual([id]);
    }
  });

  test("the same in the path and the body, or not at all", async () => {
    const rig = await openAdmin({ targets: await two() });
    expect(await rig.post("/admin/targets/a/drain", { target: "b" })).toMatchObject({ status: 400 });
    expect(available(rig)).toEqual(["a", "b"]);
  });

  test("or it is 404, with those that were perhaps meant", async () => {
    const targets = ["gpu-1", "gpu-2", "spare"].map((id) => ({ id, url: `http://127.0.0.1:9/${id}` }));
    const rig = await openAdmin({ targets });
    for (const path of ["/admin/drain", "/admin/undrain"]) {
      const near = await rig.post(path, { target: "gpu1" });
      expect([near.status, near.text]).toEqual([
        404,
        expect.stringContaining("There is no target 'gpu1'; did you mean 'gpu-1'?"),
      ]);
      expect((await rig.post(path, { target: "nothing-like-it" })).text).toContain("there are gpu-1, gpu-2, spare");
    }
    expect((await (await openAdmin()).post("/admin/drain", { target: "a" })).text).toContain("there is none");
  });

  test("also below a mount whose path is like its own", async () => {
    const targets = [{ id: "x/admin/targets/y", url: "http://127.0.0.1:9" }];
    const { post } = await openAdmin({ targets, config: { mounts: [{ path: "/admin", plugins: [admin()] }] } });
    const path = "/admin/admin/targets/x/admin/targets/y";
    expect(await post(`${path}/drain`)).toMatchObject({ status: 200, body: { drained: true } });
  });
});
