import { expect, test } from "vitest";
import { createProject, run, type Started, start } from "./_cli.ts";

const entry = {
  name: "one",
  host: "127.0.0.1",
  port: 8001,
  hostname: "here",
  url: "http://127.0.0.1:8001",
  status: "running",
};

interface Registry extends Started {
  readonly url: string;
  readonly ready: object;
  register(headers?: Readonly<Record<string, string>>): Promise<number>;
  names(): Promise<readonly string[]>;
}

async function open(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Registry> {
  const started = start(["registry", "--json", "--port", "0", "--bind", "127.0.0.1", ...args], { env });
  const ready = await started.next("ready");
  const url = String((ready.urls as readonly string[])[0]);
  return {
    ...started,
    url,
    ready,
    async register(headers) {
      const json = { "content-type": "application/json", ...headers };
      return (await fetch(`${url}/services`, { method: "POST", headers: json, body: JSON.stringify(entry) })).status;
    },
    async names() {
      const { services } = (await (await fetch(`${url}/services`)).json()) as { services: { name: string }[] };
      return services.map(({ name }) => name);
    },
  };
}

test("takes services from this machine", async () => {
  const { register, names } = await open([]);
  expect(await register()).toBe(201);
  expect(await names()).toEqual(["one"]);
});

test("with a token it takes them from whoever has it, and never shows it", async () => {
  const token = "canary-0123456789";
  const { register, ready } = await open([], { PLUGBOARD_REGISTRY_TOKEN: token });
  expect(JSON.stringify(ready)).not.toContain(token);
  expect(await register()).toBe(401);
  expect(await register({ authorization: `Bearer ${token}` })).toBe(201);
});

test("a restart on its files has forgotten nothing", async () => {
  const project = await createProject();
  const args = ["--storage", `file:${project.path("state")}`];
  const first = await open(args);
  expect(await first.register()).toBe(201);
  first.signal("SIGKILL");
  await first.exited;
  expect(await (await open(args)).names()).toEqual(["one"]);
});

test("says who may write and where its state is", async () => {
  const { ready } = await open(["--writers", "private"]);
  expect(ready).toMatchObject({ writers: ["loopback", "private"], storage: "memory" });
});

test.each([
  [["--storage", "disk"], "--storage disk is no storage"],
  [["--writers", "everyone"], "--writers everyone is no address range"],
  [["--health-interval", "fast"], "--health-interval fast is no number of seconds"],
  [["--port", "x"], "--port x is no port"],
  [["--prot", "1"], "did you mean --port?"],
])("%j is refused", async (args, message) => {
  const { code, stderr } = await run(["registry", ...args]);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});
