// The command line of vLLM, as far as the stand-in goes by it.

/** What vLLM would refuse: told as argparse does, with exit code 2. */
export class UsageError extends Error {}

const dtypes = ["auto", "half", "float16", "bfloat16", "float", "float32"];

const text = (value) => value;
const whole = (value) => (/^[+-]?\d+$/.test(value) ? Number(value) : undefined);
const inRange = (least, most) => (value) => {
  const number = whole(value);
  return number !== undefined && number >= least && number <= most ? number : undefined;
};
const port = inRange(0, 65_535);
const positive = inRange(1, 1_000_000);
const dtype = (value) => (dtypes.includes(value) ? value : undefined);

const units = { k: 1e3, m: 1e6, g: 1e9, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** As vLLM reads lengths: `4096`, `32k` for thousands, `32K` for powers of two. */
function length(value) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([kmgKMG]?)$/.exec(value) ?? [];
  const tokens = Number(number) * (units[unit] ?? 1);
  return Number.isInteger(tokens) && tokens > 0 ? tokens : undefined;
}

/** By name: the setting, how its value is read, what it must be, and whether it takes several. */
const flags = new Map([
  ["--model", { key: "model", read: text }],
  ["--served-model-name", { key: "names", read: text, several: true }],
  ["--host", { key: "host", read: text }],
  ["--port", { key: "port", read: port, what: "int" }],
  ["--dtype", { key: "dtype", read: dtype, choices: dtypes }],
  ["--tensor-parallel-size", { key: "tensorParallel", read: positive, what: "int" }],
  ["--pipeline-parallel-size", { key: "pipelineParallel", read: positive, what: "int" }],
  ["--max-model-len", { key: "maxModelLength", read: length, what: "human_readable_int" }],
  ["--max-num-seqs", { key: "maxRunning", read: positive, what: "int" }],
  ["--api-key", { key: "apiKeys", read: text, several: true }],
]);

const short = new Map([
  ["-tp", "--tensor-parallel-size"],
  ["-pp", "--pipeline-parallel-size"],
]);

/** Known only for not taking a value: what follows may be the model. */
const switches =
  /^--(?:no-.+|enforce-eager|trust-remote-code|async-scheduling|enable-(?!log).+|disable-(?:log|custom|uvicorn|fastapi|sliding|cascade|frontend|hybrid|nccl|mm).+)$/;

/**
 * Reads `serve MODEL ...`, and `-m vllm.entrypoints.openai.api_server --model MODEL ...` as one calls it by Python. Flags
 * that it does not know are in `notes`; throws a UsageError for a value that vLLM would refuse.
 */
export function readCommand(argv) {
  const words = [...argv];
  const settings = { names: [], apiKeys: [], notes: [], program: "vllm serve" };
  while (words[0] === "-u") words.shift();
  const byModule = words[0] === "-m";
  if (byModule) {
    words.splice(0, 2);
    settings.program = "api_server.py";
  } else if (words[0] === "serve") words.shift();
  try {
    while (words.length > 0) readWord(words, settings, byModule);
  } catch (error) {
    throw new UsageError(`usage: ${settings.program} [options]\n${settings.program}: error: ${error.message}`);
  }
  return withDefaults(settings);
}

function readWord(words, settings, byModule) {
  const word = words.shift();
  if (isFlag(word)) readFlag(word, words, settings);
  else if (byModule || settings.tag !== undefined) throw new Error(`unrecognized arguments: ${word}`);
  else settings.tag = word;
}

function readFlag(word, words, settings) {
  const [, given, , joined] = /^([^=]+)(=(.*))?$/s.exec(word);
  // `--max_model_len` is `--max-model-len` to vLLM.
  const name = short.get(given) ?? given.replaceAll("_", "-");
  const flag = flags.get(name);
  if (flag === undefined) {
    settings.notes.push(readUnknown(word, name, words));
    return;
  }
  const values = joined === undefined ? following(words, flag.several === true) : [joined];
  if (values.length === 0)
    throw new Error(`argument ${name}: expected ${flag.several ? "at least one argument" : "one argument"}`);
  const read = values.map((value) => readValue(name, flag, value));
  settings[flag.key] = flag.several ? read : read[0];
}

/** With what seems to be its value. */
function readUnknown(word, name, words) {
  const takes = !word.includes("=") && !switches.test(name) && words.length > 0 && !isFlag(words[0]);
  return takes ? `${word} ${words.shift()}` : word;
}

function readValue(name, { read, what, choices }, value) {
  const found = read(value);
  if (found !== undefined) return found;
  if (choices === undefined) throw new Error(`argument ${name}: invalid ${what} value: '${value}'`);
  throw new Error(`argument ${name}: invalid choice: '${value}' (choose from ${choices.join(", ")})`);
}

function following(words, several) {
  const end = words.findIndex(isFlag);
  const count = end === -1 ? words.length : end;
  return words.splice(0, several ? count : Math.min(1, count));
}

/** A negative number is a value. */
function isFlag(word) {
  return /^-\D/.test(word);
}

function withDefaults({ tag, ...settings }) {
  const model = tag ?? settings.model ?? "Qwen/Qwen3-0.6B";
  return {
    dtype: "auto",
    // No host: all of the machine's addresses.
    host: "",
    port: 8000,
    tensorParallel: 1,
    pipelineParallel: 1,
    maxModelLength: 32_768,
    maxRunning: 256,
    ...settings,
    model,
    names: settings.names.length > 0 ? settings.names : [model],
  };
}
