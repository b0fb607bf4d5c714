import * as v from "valibot";
import { definePlugin, type ExplainRequest, type Plugin, ProxyError, strangerOf } from "../../core/index.ts";

export interface ExplainOptions {
  /** Where it answers. @default "/explain" */
  path?: string;
  /** Answers clients on other machines too. @default false */
  open?: boolean;
}

const schema = v.strictObject({
  path: v.optional(
    v.pipe(v.string(), v.regex(/^(\/[^/\s?#]+)+$/, "Expected a path such as /_proxy/explain")),
    "/explain",
  ),
  open: v.optional(v.boolean(), false),
} satisfies { [K in keyof Required<ExplainOptions>]: v.GenericSchema<ExplainOptions[K], unknown> });

const mostDraws = 10_000;
const parameters: ReadonlySet<string> = new Set(["model", "method", "path", "header", "body", "listener", "n", "seed"]);

/**
 * Serves `GET /explain`: what a request would do now, without sending it.
 *
 * `?model=fast` asks for a chat request of that model; `method`, `path`, `header` (`name: value`, more than once), `body`
 * and `listener` describe any other; `n` and `seed` add how so many of them would spread. The answer is what `plugboard explain
 * --json` prints, on the running targets and their health; no selector moves on. It shows URLs and reasons that are
 * nobody else's business, so it answers this machine only, by a loopback name: 403 to others, to what a proxy forwarded
 * and to pages of other sites, unless `open`.
 *
 * @example
 * explain(); // curl 'http://127.0.0.1:8000/explain?model=fast&n=1000'
 */
export const explain: (options?: ExplainOptions) => Plugin = definePlugin({
  name: "explain",
  options: schema,
  setup(proxy, { path, open }) {
    proxy.route("GET", path, async (event) => {
      const req = event.runtime?.node?.req;
      if (!open && (req === undefined || strangerOf(req) !== undefined))
        throw new ProxyError("forbidden", "Only this machine may ask for an explanation.");
      const explanation = await proxy.explain(toRequest(new URL(event.req.url).searchParams));
      return Response.json(explanation, { headers: { "cache-control": "no-store" } });
    });
  },
});

function toRequest(query: URLSearchParams): ExplainRequest {
  const unknown = [...query.keys()].find((name) => !parameters.has(name));
  if (unknown !== undefined)
    throw invalid(`"${unknown}" is no parameter here; there are ${[...parameters].join(", ")}`);
  const model = query.get("model");
  const body = query.get("body") ?? (model === null ? undefined : chatFor(model));
  const request: ExplainRequest = {
    method: query.get("method") ?? (body === undefined ? "GET" : "POST"),
    path: toPath(query.get("path") ?? "/v1/chat/completions"),
    headers: Object.fromEntries(query.getAll("header").map(toHeader)),
  };
  const listener = query.get("listener");
  const draws = toWhole(query, "n", mostDraws);
  const seed = toWhole(query, "seed", 2 ** 31);
  return {
    ...request,
    ...(body !== undefined && { body }),
    ...(listener !== null && { listener }),
    ...(draws !== undefined && { draws }),
    ...(seed !== undefined && { seed }),
  };
}

function chatFor(model: string): string {
  return JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] });
}

function toPath(path: string): string {
  if (path.startsWith("/")) return path;
  throw invalid(`path "${path}" does not begin with a slash`);
}

function toHeader(line: string): [name: string, value: string] {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)\s*:\s*([\x20-\x7e]*)$/.exec(line) ?? [];
  if (name !== undefined && value !== undefined) return [name.toLowerCase(), value];
  throw invalid(`header "${line}" is none; write header=name:value`);
}

function toWhole(query: URLSearchParams, name: string, most: number): number | undefined {
  const given = query.get(name);
  if (given === null) return undefined;
  if (/^\d+$/.test(given) && Number(given) <= most) return Number(given);
  throw invalid(`${name} "${given}" is no whole number up to ${most}`);
}

function invalid(what: string): ProxyError {
  return new ProxyError("invalid_request", `This cannot be explained: ${what}.`);
}
