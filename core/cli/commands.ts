import type { ArgDef } from "citty";
import { type Command, command } from "./command.ts";

const config = {
  type: "string",
  alias: "c",
  valueHint: "file",
  description: "Config file, proxy.config.{ts,mts,js,mjs} by default",
} as const satisfies ArgDef;

export const serve: Command = command({
  name: "serve",
  description: "Serve a config; what plugboard does without a command",
  args: {
    config,
    port: {
      type: "string",
      alias: "p",
      valueHint: "number",
      description: "Port, before $PORT and the config's; 8000 by default",
    },
    host: {
      type: "string",
      valueHint: "host",
      description: "Address to listen on, 127.0.0.1 by default; 0.0.0.0 for all",
    },
    https: { type: "boolean", description: "Serve HTTPS with a self-signed certificate" },
    watch: { type: "boolean", alias: "w", description: "Reload when the config or a file that it imports changes" },
    target: {
      type: "string",
      alias: "t",
      valueHint: "url",
      description: "Serve these servers without a config; may be repeated",
    },
    select: {
      type: "string",
      valueHint: "selector",
      description: "How --target picks a server, round-robin by default",
    },
    json: { type: "boolean", description: "One JSON object per line on what happens" },
  },
  repeatable: ["target"],
  async run({ config: file, port, host, https = false, watch = false, json = false, select }, { all }) {
    const { serve: run } = await import("./serve.ts");
    await run({ config: file, port, host, https, watch, json, targets: all("target"), select });
  },
});

export const init: Command = command({
  name: "init",
  description: "Write a proxy.config.ts to start from, which runs at once",
  args: { force: { type: "boolean", description: "Overwrite the one that is there" } },
  async run({ force = false }) {
    const { init: run } = await import("./init.ts");
    await run({ force });
  },
});

export const check: Command = command({
  name: "check",
  description: "Validate a config without serving it, and show what runs in which order",
  args: { config },
  async run({ config: file }) {
    const { check: run } = await import("./check.ts");
    await run({ config: file });
  },
});

export const explain: Command = command({
  name: "explain",
  description: "Show what a request would do, phase by phase, without sending it",
  args: {
    method: {
      type: "positional",
      required: false,
      description: "Method of the request, as in: explain POST /v1/chat/completions",
    },
    path: { type: "positional", required: false, description: "Path of the request" },
    model: { type: "string", alias: "m", valueHint: "name", description: "Explain a chat request for this model" },
    body: { type: "string", valueHint: "file", description: "File with the request's body; - for standard input" },
    header: {
      type: "string",
      alias: "H",
      valueHint: "name: value",
      description: "Header of the request; may be repeated",
    },
    listener: {
      type: "string",
      valueHint: "name",
      description: "The listener it comes in by, the config's own port by default",
    },
    n: { type: "string", valueHint: "count", description: "Draw this many times, and show how they spread" },
    seed: { type: "string", valueHint: "number", description: "Make chance repeatable" },
    config,
    json: { type: "boolean", description: "As one JSON object" },
  },
  repeatable: ["header"],
  async run({ method, path, model, body, listener, n, seed, config: file, json = false }, { all }) {
    const { explain: run } = await import("./explain.ts");
    const target = [method, path].filter((part) => part !== undefined);
    await run({ config: file, model, target, body, headers: all("header"), listener, json, n, seed });
  },
});

export const test: Command = command({
  name: "test",
  description: "Run tables of requests and expected routes against a config, without a network",
  args: {
    files: {
      type: "positional",
      required: false,
      description: "Tables to run, routes.{yaml,yml,json,ts} beside the config by default",
    },
    config,
    json: { type: "boolean", description: "As one JSON object" },
  },
  variadic: true,
  async run({ _: files, config: file, json = false }) {
    const { test: run } = await import("./test.ts");
    await run({ files, config: file, json });
  },
});
