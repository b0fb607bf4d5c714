import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { toStaticTargets } from "../../plugins/preset/_static-services.ts";
import { launchFile, run } from "./infinilm-scripts.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = `${root}examples/infinilm/`;
const readme = readFileSync(`${folder}README.md`, "utf8");

describe.each([
  ["infini-router", "router"],
  ["infini-registry", "registry"],
  ["infini-babysitter", "babysit"],
])("%s", (script, command) => {
  test("may be executed, and is one line", () => {
    accessSync(folder + script, constants.X_OK);
    expect(
      readFileSync(folder + script, "utf8")
        .trimEnd()
        .split("\n"),
    ).toHaveLength(2);
  });

  test(`is plugboard ${command}, whatever directory it is called from, and passes what it is given`, async () => {
    const { code, stderr } = await launchFile(folder + script, ["--no-such-flag"], "/");
    expect(stderr).toContain("unknown option --no-such-flag");
    expect(code).toBe(2);
    expect((await run([command, "--help"])).stdout).toContain(`plugboard ${command}`);
  });
});

test("the flags in the README are those of the router", async () => {
  const { stdout } = await run(["router", "--help"]);
  const section = readme.split("## Flags and environment")[1]?.split("\n## ")[0] ?? "";
  const flags = [...section.matchAll(/^\|[^|]*\|?[^|]*?`(--[a-z-]+)`/gm)].map(([, flag = ""]) => flag);
  expect(flags).toHaveLength(11);
  for (const flag of flags) expect(stdout).toContain(flag);
});

test("what the README says of a defect is shown by a test with that name", () => {
  const claims = [...readme.matchAll(/`(test\/[\w./-]+)`(?:: "([^"]+)")?/g)];
  expect(claims.length).toBeGreaterThan(10);
  for (const [claim, file = "", name] of claims) {
    expect(existsSync(root + file), claim).toBe(true);
    if (name !== undefined) expect(readFileSync(root + file, "utf8")).toContain(`"${name}"`);
  }
});

test("the sample of static services can be read", () => {
  const input: unknown = JSON.parse(readFileSync(`${folder}static-services.json`, "utf8"));
  const { targets, problems, ignored } = toStaticTargets(input);
  expect({ problems, ignored }).toEqual({ problems: [], ignored: [] });
  expect(targets).toHaveLength(5);
});

test("the sample of a service has what a babysitter needs", () => {
  const service = parse(readFileSync(`${folder}service.toml`, "utf8"));
  expect(service).toMatchObject({
    name: expect.any(String),
    port: expect.any(Number),
    registry_url: expect.stringMatching(/^http:/),
    backend: { type: "vllm" },
  });
});
