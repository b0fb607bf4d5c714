import { expect, test } from "vitest";
import { type BabysitOverrides, type Babysat, readBabysitToml } from "plugboard/plugins/fleet/_babysit-toml";

const read = (text: string, overrides?: BabysitOverrides): Babysat =>
  readBabysitToml(text, { file: "s.toml", overrides });

const vllm = `
name = "vllm-service-1"
host = "localhost"
port = 8100
registry_url = "http://localhost:18000"
router_url = "http://localhost:8000"

[babysitter]
max_restarts = 3
restart_delay = 90
heartbeat_interval = 10

[backend]
type = "vllm"
model = "/models/a model"
args = ["--tensor-parallel-size", "4", "--override", "{ \\"a\\": \\"b c\\" }"]
work_dir = "/srv"

[backend.env]
CUDA_VISIBLE_DEVICES = "4,5"

[metadata]
cache_type = "static"
static = true
since = 1979-05-27
large = 9007199254740993
deep = { list = [1, 1979-05-27T07:32:00Z] }
`;

test("a file of the original is read as it is, and arguments with spaces stay whole", () => {
  const { backends, registry, problems, notes } = read(vllm);
  expect(problems).toEqual([]);
  expect(notes).toEqual([]);
  expect(registry).toEqual({ url: ["http://localhost:18000"], heartbeat: 10_000 });
  expect(backends).toEqual([
    {
      name: "vllm-service-1",
      command: [
        ..."python3 -m vllm.entrypoints.openai.api_server --model".split(" "),
        "/models/a model",
        ..."--port {port} --host localhost --tensor-parallel-size 4 --override".split(" "),
        '{ "a": "b c" }',
      ],
      cwd: "/srv",
      env: { CUDA_VISIBLE_DEVICES: "4,5" },
      host: "localhost",
      port: 8100,
      controlHost: "0.0.0.0",
      type: "vLLM",
      metadata: {
        cache_type: "static",
        static: true,
        since: "1979-05-27",
        large: "9007199254740993",
        deep: { list: [1, "1979-05-27T07:32:00.000Z"] },
      },
      restart: { max: 3, delay: 90_000, maxDelay: 90_000 },
    },
  ]);
  expect(JSON.parse(JSON.stringify(backends))).toEqual(backends);
});

test("what is left out has the original's defaults", () => {
  const { backends, registry } = read('port = 8100\n[backend]\ntype = "command"\ncommand = "serve"');
  expect(registry).toBeUndefined();
  expect(backends[0]).toMatchObject({
    name: "command-8100",
    host: "localhost",
    command: ["serve"],
    env: {},
    metadata: {},
    restart: { max: 10_000, delay: 5_000, maxDelay: 60_000 },
  });
});

test.each([
  [
    'type = "command"\ncommand = "python3 -m \'my server\'"\nargs = ["--a b", ""]',
    "command",
    "python3|-m|my server|--a b|",
  ],
  ['type = "infinilm-rust"\nconfig_file = "q.toml"', "InfiniLM-Rust", "xtask|service|q.toml|-p|{port}"],
  [
    'type = "infinilm"\nmodel_path = "/models/q"\nargs = ["--ndev", "4"]',
    "InfiniLM",
    "python3|launch_server.py|--port|{port}|--host|10.0.0.7|--model-path|/models/q|--ndev|4",
  ],
])("%s", (backend, type, words) => {
  const { backends, problems } = read(`port = 8100\nhost = "10.0.0.7"\n[backend]\n${backend}`);
  expect(problems).toEqual([]);
  expect(backends[0]).toMatchObject({ type, command: words.split("|"), host: "10.0.0.7" });
});

test("a mock is this project's own where the original's is not found", () => {
  const { backends } = read('port = 8100\nname = "m"\n[backend]\ntype = "mock"\nmodels = ["a", "b"]');
  const [program, main, ...rest] = backends[0]?.command ?? [];
  expect(program).toBe(process.execPath);
  expect(main).toMatch(/core\/cli\/main\.[tj]s$/u);
  expect(rest).toEqual("mock --host localhost --port {port} --models a,b --name m".split(" "));
  expect(backends[0]).toMatchObject({ type: "mock", models: ["a", "b"] });
});

test("name, host, port, registry and weight: flags count before the file", () => {
  const { backends, registry } = read(`weight = 2.5\n${vllm}`, {
    name: "other",
    host: "10.0.0.7",
    port: 0,
    registryUrl: ["http://r1:1", "http://r2:2"],
    bind: "127.0.0.1",
  });
  expect(registry).toEqual({ url: ["http://r1:1", "http://r2:2"], heartbeat: 10_000 });
  expect(backends[0]).toMatchObject({
    name: "other",
    host: "10.0.0.7",
    port: 0,
    weight: 2.5,
    controlHost: "127.0.0.1",
  });
  expect(backends[0]?.command).toContain("10.0.0.7");
});

test.each([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
])("a backend on all addresses (%s) listens there, and is told to others as one they can reach", (host, told) => {
  const { backends, notes } = read(vllm.replace("localhost", host));
  expect(backends[0]).toMatchObject({ host: told, command: expect.arrayContaining(["--host", host]) });
  expect(notes).toEqual([
    `vllm-service-1 is told to others as ${told}, as they cannot reach ${host}; set the host to this machine's address`,
  ]);
});
