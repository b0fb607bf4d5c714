import * as v from "valibot";
import { definePlugin, errorHeaders, type Exchange, type Plugin, type ProxyError } from "../../core/index.ts";

export interface VllmErrorsOptions {
  /** Of the proxy whose words are used. @default "newer" */
  version?: "first" | "newer";
}

type Version = NonNullable<VllmErrorsOptions["version"]>;

const schema = v.strictObject({
  version: v.optional(v.picklist(["first", "newer"], 'Expected "first" or "newer"'), "newer"),
} satisfies { [K in keyof Required<VllmErrorsOptions>]: v.GenericSchema<VllmErrorsOptions[K], unknown> });

/**
 * Tells errors in the plain texts of the vLLM proxy of an MLNode.
 *
 * For what is in front of that proxy and reads its texts; other clients are better served by `openaiErrors`. Without a
 * target: "No vLLM backend available", and "vLLM backend not ready" where the first version tells one that is down from
 * none at all; a target that fails before it answers: "vLLM upstream failure", or "vLLM connection failed"; in a drain:
 * "Service is shutting down", or "vLLM client not initialized". Any other error is its message. The status is the one of
 * the error here, and so 504 where the original says 502 to a time-out too; the headers are those of every error.
 *
 * @example
 * vllmErrors({ version: "first" }); // 503 "vLLM backend not ready"
 */
export const vllmErrors: (options?: VllmErrorsOptions) => Plugin = definePlugin({
  name: "vllm-errors",
  options: schema,
  setup: (_proxy, { version }) => ({
    error: (x, error) => ({
      status: error.status,
      headers: {
        ...errorHeaders(error),
        "content-type": "text/plain; charset=utf-8",
        // A message may hold what the client sent, such as the name of a model: that is text, whatever it looks like.
        "x-content-type-options": "nosniff",
      },
      body: textOf(x, error, version),
    }),
  }),
});

function textOf(x: Exchange, error: ProxyError, version: Version): string {
  const first = version === "first";
  if (error.source === "upstream") return first ? "vLLM upstream failure" : "vLLM connection failed";
  switch (error.code) {
    case "no_targets":
    case "cooling_down":
      return first && hasTargets(x) ? "vLLM backend not ready" : "No vLLM backend available";
    case "draining":
      return first ? "vLLM client not initialized" : "Service is shutting down";
    default:
      return error.message;
  }
}

/** Whether there is any, up or not. */
function hasTargets({ route }: Exchange): boolean {
  return route !== undefined && route.possible().length > 0;
}
