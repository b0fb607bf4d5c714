import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { babysitter } from "plugboard/plugins/fleet/babysitter";
import { registry } from "plugboard/plugins/fleet/registry";
import { discoveryOf } from "plugboard/testing";
import { findFreePort } from "../../../plugins/fleet/_ready-port.ts";
import { openProxy } from "../../core/open-proxy.ts";
import { eventually } from "../../e2e/eventually.ts";
import { isUp, script } from "./backend-rig.ts";

/** The path of a file with that text. */
function write(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "babysitter-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "service.toml");
  writeFileSync(file, text);
  return file;
}

test("a file of InfiniLM runs its backend, which appears in a registry", async () => {
  const home = await openProxy({ plugins: [registry()] });
  const { url } = await home.listen();
  const file = write(`
    name = "from-toml"
    port = ${await findFreePort(["127.0.0.1"], true)}
    registry_url = "${url}"
    [backend]
    type = "command"
    command = ${JSON.stringify(process.execPath)}
    args = [${JSON.stringify(script)}, "--port", "{port}", "--models", "a model,b"]
    [metadata]
    cache_type = "paged"
  `);
  const proxy = await openProxy({ plugins: [babysitter({ toml: file })] });
  expect(proxy.files()).toContain(file);
  await eventually(() => isUp(proxy, "from-toml"));
  await eventually(async () => {
    const { services } = (await (await fetch(`${url}/services?healthy=true`)).json()) as { services: object[] };
    expect(services).toContainEqual(
      expect.objectContaining({
        name: "from-toml-server",
        status: "running",
        metadata: expect.objectContaining({ models: ["a model", "b"], cache_type: "paged" }),
      }),
    );
  });
  await proxy.close();
  expect(await (await fetch(`${url}/services`)).json()).toMatchObject({ services: [] });
});

test("what is wrong in a file is a problem of the config, with its line", async () => {
  const file = write('name = "x"\nport = 70000\n[backend]\ntype = "command"\ncommand = "true"\n');
  await expect(discoveryOf(babysitter({ toml: [file] }))).rejects.toThrow(`toml.0: ${file}:2: port: `);
});

test("a file that is not there is a problem too, beside the others", async () => {
  const plugin = babysitter({ toml: ["/no/such/file.toml", write("nonsense")] });
  const message = await discoveryOf(plugin).then(
    () => "",
    (error: Error) => error.message,
  );
  expect(message).toContain("toml.0: The file cannot be read (ENOENT)");
  expect(message).toMatch(/toml\.1: .*service\.toml:1: this is not TOML/u);
});
