import { createHash } from "node:crypto";
import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { createProxy, type Plugin } from "plugboard";
import { keys, type KeysOptions } from "plugboard/plugins/guard/keys";
import { testPlugin } from "plugboard/testing";
import { type GuardRequest, type GuardRig, withGuard } from "../../../core/testing/guard-rig.ts";
import { eventually } from "../../e2e/eventually.ts";

const alice = "canary-alice-0123456789";
const bob = "canary-bob-0123456789";
const nobody = "canary-nobody-0123456789";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const bearer = (key: string): GuardRequest => ({ headers: { authorization: `Bearer ${key}` } });

const directory = await mkdtemp(join(tmpdir(), "guard-keys-"));
afterAll(() => rm(directory, { recursive: true }));
let count = 0;
const whole = await newFile([{ name: "alice", hash: sha256(alice) }]);
testPlugin({ test, create: () => keys({ file: whole }) });

async function newFile(content: unknown): Promise<string> {
  const file = join(directory, `${++count}.json`);
  await write(file, content);
  return file;
}

/** Renamed over the old one: never half of it. */
async function write(file: string, content: unknown): Promise<void> {
  await writeFile(`${file}.new`, typeof content === "string" ? content : JSON.stringify(content));
  await rename(`${file}.new`, file);
}

const withFile = (file: string, law: (rig: GuardRig) => Promise<void>, more: KeysOptions = {}): Promise<void> =>
  withGuard((): readonly Plugin[] => [keys({ ...more, file })], law);

const answers = async ({ ask }: GuardRig, key: string, status: number): Promise<void> =>
  vi.waitFor(async () => expect((await ask(bearer(key))).status).toBe(status), { timeout: 4_000, interval: 10 });

test("a file is followed: what is added is good, and what is taken away is not", async () => {
  const file = await newFile([{ name: "alice", hash: sha256(alice) }]);
  await withFile(file, async (rig) => {
    expect((await rig.ask(bearer(alice))).status).toBe(200);
    expect((await rig.ask(bearer(bob))).status).toBe(401);
    await write(file, [{ name: "bob", hash: sha256(bob) }]);
    await answers(rig, bob, 200);
    expect((await rig.ask(bearer(alice))).status).toBe(401);
  });
});

test("a file adds to the keys of the config", async () => {
  const file = await newFile([{ name: "alice", hash: sha256(alice) }]);
  const own = { keys: [{ name: "bob", hash: sha256(bob) }] };
  await withFile(
    file,
    async ({ ask }) => {
      expect((await ask(bearer(alice))).status).toBe(200);
      expect((await ask(bearer(bob))).status).toBe(200);
    },
    own,
  );
});

test.each([
  ["is no JSON", `[{"name": "alice", "hash": "${nobody}`, "it is no valid JSON"],
  ["holds a plain key", [{ name: "alice", key: nobody }], "0"],
  ["holds what is no hash", [{ name: "alice", hash: nobody }], "0.hash: Expected the SHA-256"],
  ["is no list", { alice: nobody }, "the whole"],
])("a file that %s leaves the keys as they were, and tells no secret", async (_what, content, says) => {
  const file = await newFile([{ name: "alice", hash: sha256(alice) }]);
  await withFile(file, async (rig) => {
    await write(file, content);
    await eventually(() => expect(rig.log()).toContain(`the keys stay as they were, because of ${file}: ${says}`));
    expect((await rig.ask(bearer(alice))).status).toBe(200);
    await rig.reload();
    expect((await rig.ask(bearer(alice))).status).toBe(200);
    expect(rig.log()).not.toContain(nobody);
  });
  const refused = createProxy({ plugins: [keys({ file })] });
  await expect(refused).rejects.toThrow(`file: ${says}`);
  await expect(refused).rejects.not.toThrow(nobody);
});

test("a file that anybody can write is worth a warning", async () => {
  const file = await newFile([{ name: "alice", hash: sha256(alice) }]);
  await withFile(file, async ({ log }) => expect(log()).not.toContain("writable by all"));
  await chmod(file, 0o666);
  await withFile(file, async ({ log }) => expect(log()).toContain(`${file} is writable by all`));
});
