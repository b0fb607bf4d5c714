import { describe, expect, test } from "vitest";
import type { Site } from "../../../core/generation/site.ts";
import { createSiteTable, type Mounted } from "../../../core/generation/site-table.ts";

const site = (name: string): Site => ({ name }) as Site;

/** Mounts written as `host/path` or `/path`, each with a site of that name. */
function finder(...mounts: string[]): (host: string, path: string) => string {
  const mounted = mounts.map((text): Mounted => {
    const slash = text.indexOf("/");
    const host = text.slice(0, slash).replace(/^\*/, "");
    return { host: host === "" ? undefined : host, path: text.slice(slash).replace(/\/$/, ""), site: site(text) };
  });
  const table = createSiteTable(site("base"), mounted);
  return (host, path) => table.find?.(host, path).name ?? "no mounts";
}

describe("a path belongs to a mount", () => {
  test.each([
    ["/v1", "/v1"],
    ["/v1/", "/v1"],
    ["/v1/models", "/v1"],
    ["/v1//models", "/v1"],
    ["/v1x", "base"],
    ["/v1.5", "base"],
    ["/v1;a=b", "base"],
    ["/V1", "base"],
    ["//v1", "base"],
    ["/", "base"],
    ["/api/v1", "base"],
  ])("by whole segments: %s is %s", (path, expected) => {
    expect(finder("/v1")("any", path)).toBe(expected);
  });

  test("of the longest path that fits, in whatever order they stand", () => {
    for (const find of [finder("/", "/v1", "/v1/files"), finder("/v1/files", "/v1", "/")]) {
      expect(["/x", "/v1/x", "/v1/files", "/v1/files/1", "/v1/filesx"].map((path) => find("any", path))).toEqual([
        "/",
        "/v1",
        "/v1/files",
        "/v1/files",
        "/v1",
      ]);
    }
  });
});

describe("a host belongs to a mount", () => {
  const find = finder("a.test/", "*.b.test/", "*.c.b.test/", "a.test/v1", "/v1");

  test.each([
    ["a.test", "a.test/"],
    ["A.Test", "a.test/"],
    ["a.test:8000", "a.test/"],
    ["a.test.", "a.test/"],
    ["a.test.:80", "a.test/"],
    ["xa.test", "base"],
    ["a.test.evil", "base"],
    ["x.b.test", "*.b.test/"],
    ["x.y.b.test", "*.b.test/"],
    ["b.test", "base"],
    [".b.test", "base"],
    ["x.c.b.test", "*.c.b.test/"],
    ["", "base"],
    ["[::1]:80", "base"],
  ])("%s is that of %s", (host, expected) => {
    expect(find(host, "/other")).toBe(expected);
  });

  test("before the path does: the most exact host wins over the longest path", () => {
    expect(finder("a.test/", "/v1/files")("a.test", "/v1/files")).toBe("a.test/");
    expect(find("a.test", "/v1/x")).toBe("a.test/v1");
    expect(find("other", "/v1/x")).toBe("/v1");
  });

  test("that is an IPv6 address, too", () => {
    expect(finder("[::1]/")("[::1]:8000", "/")).toBe("[::1]/");
    expect(finder("[::1]/")("[::1]", "/")).toBe("[::1]/");
  });
});

test("without mounts nothing is looked for", () => {
  expect(createSiteTable(site("base"), []).find).toBeUndefined();
});
