import { dirname, resolve } from "node:path";
import { expect, test } from "vitest";
import { type BabysitFlags, flagsToBackend } from "plugboard/plugins/fleet/_babysit-toml-flags";
import { splitWords } from "plugboard/plugins/fleet/_babysit-toml-words";

test("a command and its arguments are split at spaces, and registered as the original does", () => {
  const { backends, registry, problems } = flagsToBackend({
    port: "8100",
    command: "python3 -m serve",
    args: `--port 8100 --system-prompt "be brief" --override='a b' --json {"image":2}`,
    "work-dir": "/srv",
    "registry-url": ["http://127.0.0.1:18000"],
    "heartbeat-interval": "0.5",
    "max-restarts": "3",
    "restart-delay": "2",
    weight: "0.5",
    env: ["A=1 B='x y'", "C=a=b"],
    bind: "127.0.0.1",
  });
  expect(problems).toEqual([]);
  expect(registry).toEqual({ url: ["http://127.0.0.1:18000"], heartbeat: 500 });
  expect(backends).toEqual([
    {
      name: "command-8100",
      command: `python3|-m|serve|--port|8100|--system-prompt|be brief|--override=a b|--json|{"image":2}`.split("|"),
      cwd: "/srv",
      env: { A: "1", B: "x y", C: "a=b" },
      host: "localhost",
      port: 8100,
      controlHost: "127.0.0.1",
      type: "command",
      metadata: {},
      weight: 0.5,
      restart: { max: 3, delay: 2_000, maxDelay: 60_000 },
    },
  ]);
});

test.each<[BabysitFlags, string, string]>([
  [
    { "service-type": "vLLM", path: "/m", args: "--tp 2" },
    "vllm-8100",
    "python3|-m|vllm.entrypoints.openai.api_server|--model|/m|--port|{port}|--host|localhost|--tp|2",
  ],
  [{ "service-type": "vllm", command: "vllm serve" }, "vllm-8100", "vllm|serve"],
  [{ "service-type": "InfiniLM-Rust", path: "s.toml" }, "infinilm-rust-8100", "xtask|service|s.toml|-p|{port}"],
  [
    { "service-type": "InfiniLM", path: "/m", dev: "nvidia", ndev: "2", "max-batch": "3", awq: true, args: "--x 1" },
    "infinilm-8100",
    "python3|launch_server.py|--port|{port}|--host|localhost|--model-path|/m|--dev|nvidia|--ndev|2|--max-batch|3|--awq|--x|1",
  ],
])("%o", (flags, name, words) => {
  const { backends, problems } = flagsToBackend({ port: "8100", ...flags });
  expect(problems).toEqual([]);
  expect(backends[0]).toMatchObject({ name, command: words.split("|") });
});

test("a launch script is started where the Python babysitter starts it", () => {
  const { backends } = flagsToBackend({
    port: "1",
    "service-type": "InfiniLM",
    path: "/m",
    "launch-script": "lm/scripts/l.py",
  });
  expect(backends[0]?.command[1]).toBe(resolve("lm/scripts/l.py"));
  expect(backends[0]?.cwd).toBe(dirname(dirname(resolve("lm/scripts/l.py"))));
});

test("a mock has the models of --args", () => {
  const { backends } = flagsToBackend({ port: "8100", "service-type": "mock", args: "a,b" });
  expect(backends[0]).toMatchObject({ name: "mock-8100", type: "mock", models: ["a", "b"] });
});

test("what stands behind -- is taken word by word", () => {
  const { backends } = flagsToBackend({ port: "0", name: "x", "service-type": "vLLM" }, [
    "vllm",
    "serve",
    "a b",
    '"',
    "{port}",
  ]);
  expect(backends[0]).toMatchObject({ type: "vLLM", port: 0, command: ["vllm", "serve", "a b", '"', "{port}"] });
});

test("all that is wrong is told at once, by its flag, and no value that may be a secret", () => {
  const { backends, problems } = flagsToBackend({
    name: "a b",
    port: "eighty",
    "service-type": "vlm",
    args: "'open",
    "max-restarts": "1.5",
    "heartbeat-interval": "0",
    "registry-url": ["http://user:secret@h:1"],
    env: ["sk-secret"],
  });
  expect(backends).toEqual([]);
  expect(problems.map(({ path, message }) => `${path}: ${message}`)).toEqual([
    "--args: ' is not closed in it",
    "--env: Expected NAME=value",
    "--service-type: Expected one of command, vLLM, mock, InfiniLM-Rust, InfiniLM",
    "--registry-url: Expected a URL such as http://127.0.0.1:18000",
    "--port: Expected a port, such as 8100",
    "--max-restarts: Expected a whole number",
    "--heartbeat-interval: Expected more than 0 seconds",
  ]);
  expect(JSON.stringify(problems)).not.toContain("secret");
});

test.each<[BabysitFlags, string[] | undefined, string]>([
  [{ port: "1", name: "a b" }, ["x"], "--name: Expected 1 to 120 letters"],
  [{ command: "x" }, undefined, "--port: It is missing"],
  [{ port: "1" }, undefined, "--command: It is missing"],
  [{ port: "1" }, [], "--command: Expected a program"],
  [{ port: "1", command: "'x" }, undefined, "--command: ' is not closed in it"],
  [{ port: "1", "service-type": "vLLM" }, undefined, "--path: It is missing"],
  [{ port: "1", host: "http://h" }, ["x"], "--host: Expected a host name"],
  [{ port: "1", bind: "a b" }, ["x"], "--bind: Expected a host name"],
  [{ port: "70000" }, ["x"], "--port: Expected a port of 1 to 65534"],
])("%j -- %j is refused", (flags, rest, words) => {
  const { problems } = flagsToBackend(flags, rest);
  expect(problems).toHaveLength(1);
  expect(`${problems[0]?.path}: ${problems[0]?.message}`).toContain(words);
});

test.each([
  ["a  b\tc\n", ["a", "b", "c"]],
  [`'a b' "c 'd'" e`, ["a b", "c 'd'", "e"]],
  [`--a="b c" --d='e'`, ["--a=b c", "--d=e"]],
  [`{"a":"b"} it's x="`, { quote: '"' }],
  [`{"a":"b"} it's`, [`{"a":"b"}`, "it's"]],
  [`"a`, { quote: '"' }],
  [`"a"b`, { quote: '"' }],
  [`"" ''`, ["", ""]],
  ["", []],
])("%j is split into %j", (text, words) => {
  expect(splitWords(text)).toEqual(words);
});
