import { createHash } from "node:crypto";
import { type Json, type Plain, refuse } from "./_openai.ts";
import { countWords } from "./_words.ts";

/** Vectors that depend on nothing but the input: equal texts are equal, others are not. */
export function embed(request: Json): Plain {
  const inputs = toInputs(request.input);
  if (inputs === undefined) return refuse(400, "input must be a string, a list of strings, or tokens", "input");
  const { dimensions = 8, encoding_format: format = "float" } = request;
  if (!isDimensions(dimensions)) return refuse(400, "dimensions must be an integer from 1 to 4096", "dimensions");
  if (format !== "float" && format !== "base64")
    return refuse(400, 'encoding_format must be "float" or "base64"', "encoding_format");
  const data = inputs.map((input, index) => {
    const vector = toVector(input, dimensions);
    return {
      object: "embedding",
      index,
      embedding: format === "float" ? [...vector] : toBase64(vector),
    };
  });
  const tokens = inputs.reduce((sum, input) => sum + countWords(input), 0);
  return {
    status: 200,
    body: {
      object: "list",
      data,
      model: request.model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    },
  };
}

/** A text, texts, the tokens of one text, or those of several. */
function toInputs(input: unknown): string[] | undefined {
  if (typeof input === "string") return input === "" ? undefined : [input];
  if (!Array.isArray(input) || input.length === 0) return undefined;
  const list: unknown[] = input;
  if (list.every((entry) => typeof entry === "string")) return list;
  if (list.every((entry) => typeof entry === "number")) return [list.join(" ")];
  if (list.every((entry) => Array.isArray(entry))) return list.map((tokens) => tokens.join(" "));
  return undefined;
}

function isDimensions(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 4096;
}

/** Of length 1, and float32 already, so that both encodings say the same. */
function toVector(input: string, dimensions: number): Float32Array {
  const next = mulberry32(createHash("sha256").update(input).digest().readUInt32LE(0));
  const vector = Float32Array.from({ length: dimensions }, () => next() * 2 - 1);
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

function toBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer).toString("base64");
}

/** Small seeded generator: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
