import { expect, test } from "vitest";
import { type Babysat, readBabysitToml } from "plugboard/plugins/fleet/_babysit-toml";

const read = (text: string): Babysat => readBabysitToml(text, { file: "s.toml" });

test("all that is wrong is told at once, with its line and what to do", () => {
  const { backends, problems } = read(`
name = "has spaces"
prot = 8100
registry_url = "localhost:18000"
[babysitter]
max_restarts = 1.5
restart_dealy = 5
[backend]
type = "vllm"
args = ["--a", 1]
[backend.env]
TOKEN_OF_MINE = 12345678
`);
  expect(backends).toEqual([]);
  expect(problems).toEqual(
    expect.arrayContaining([
      { file: "s.toml", line: 3, path: "prot", message: "unknown key prot", fix: "did you mean port?" },
      { file: "s.toml", path: "port", message: "port is missing", fix: "write port = 8100" },
      {
        file: "s.toml",
        line: 4,
        path: "registry_url",
        message: "Expected a URL such as http://127.0.0.1:18000",
        received: "'localhost:18000'",
      },
      {
        file: "s.toml",
        line: 6,
        path: "babysitter.max_restarts",
        message: "Expected a whole number",
        received: "1.5",
      },
      {
        file: "s.toml",
        line: 7,
        path: "babysitter.restart_dealy",
        message: "unknown key restart_dealy in [babysitter]",
        fix: "did you mean restart_delay?",
      },
      {
        file: "s.toml",
        line: 8,
        path: "backend.model",
        message: "model is missing",
        fix: 'write model = "..." below [backend]',
      },
      { file: "s.toml", line: 10, path: "backend.args.1", message: "Expected text, in quotes" },
      { file: "s.toml", line: 12, path: "backend.env.TOKEN_OF_MINE", message: "Expected text, in quotes" },
    ]),
  );
  expect(problems).toHaveLength(8);
  expect(JSON.stringify(problems)).not.toContain("12345678");
});

test.each([
  ['port = 8100\nname = "a b"\n[backend]\ntype = "command"\ncommand = "x"', 2, "Expected 1 to 120 letters"],
  [
    'port = 8100\n[backend]\ntype = "vlm"\nmodel = "x"',
    3,
    "Expected one of command, vllm, mock, infinilm, infinilm-rust",
  ],
  ["port = 8100\n[backend]\nmodel = 'x'", 2, "type is missing"],
  ["port = 8100", undefined, "backend is missing"],
  ["port = '8100'\n[backend]\ntype = 'command'\ncommand = 'x'", 1, "Expected a port, such as 8100"],
  ["port = 65535\n[backend]\ntype = 'command'\ncommand = 'x'", 1, "Expected a port of 1 to 65534: the babysitter"],
  ["port = 1\n[backend]\ntype = 'command'\ncommand = '\"x'", 4, '" is not closed in it'],
  ["port = 1\n[backend]\ntype = 'command'\ncommand = ' '", 4, "Expected a program"],
  ["port = 1\nhost = 'http://a'\n[backend]\ntype = 'command'\ncommand = 'x'", 2, "Expected a host name"],
  ["port = 1\n[backend]\ntype = 'mock'\nmodels = []", 4, "Expected one model or more"],
  ["port = 1\n[backend]\ntype = 'command'\ncommand = 'x'\nenv = { A = 1 }", 5, "Expected text, in quotes"],
  [
    "port = 1\n[backend]\ntype = 'command'\ncommand = 'x'\n[metadata.a]\n'b c' = nan",
    6,
    "Expected a number that JSON has",
  ],
  ["port = 1\n[metadata]\n__proto__ = 1", 3, "this is not TOML"],
  ["port = 1\nname = ", 2, "this is not TOML"],
])("%j is refused", (text, line, message) => {
  const { backends, problems } = read(text);
  expect(backends).toEqual([]);
  expect(problems[0]?.message).toContain(message);
  expect(problems[0]?.line).toBe(line);
});

test("what is no TOML is told without the lines around, where secrets may be", () => {
  const { problems } = read('[backend.env]\nTOKEN = "sk-secret-12345"\nA = = 1');
  expect(problems).toEqual([{ file: "s.toml", line: 3, message: expect.stringMatching(/^this is not TOML: /u) }]);
  expect(JSON.stringify(problems)).not.toContain("secret");
});
