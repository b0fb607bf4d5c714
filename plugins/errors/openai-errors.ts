import * as v from "valibot";
import { definePlugin, errorHeaders, type Exchange, type Plugin, type ProxyError } from "../../core/index.ts";

export interface OpenaiErrorsOptions {
  /** Answers with `{"error": "message"}`, for clients that expect a text there. @default false */
  flat?: boolean;
}

type Entries<O> = { [K in keyof Required<O>]: v.GenericSchema<O[K], unknown> };

const schema = v.strictObject({
  flat: v.optional(v.boolean(), false),
} satisfies Entries<OpenaiErrorsOptions>);

/**
 * Tells errors in the shape of the OpenAI API.
 *
 * For clients that read `error.type` and `error.param`; without it an error has `message`, `code` and `request_id`
 * only. The type follows the status: https://platform.openai.com/docs/guides/error-codes. It shapes the proxy's own
 * errors: those of an upstream pass unchanged, and one in the middle of a stream is the stream plugin's to tell.
 *
 * @example
 * openaiErrors({ flat: true }); // {"error":"The model `x` does not exist."}
 */
export const openaiErrors: (options?: OpenaiErrorsOptions) => Plugin = definePlugin({
  name: "openai-errors",
  options: schema,
  setup: (_proxy, { flat }) => ({
    error: (x, error) => ({
      status: error.status,
      headers: errorHeaders(error),
      body: JSON.stringify({ error: flat ? error.message : shape(x, error) }),
    }),
  }),
});

function shape(x: Exchange, error: ProxyError): Record<string, string | null> {
  return {
    message: error.message,
    type: typeOf(error.status),
    param: paramOf(error),
    code: error.code,
    request_id: x.id,
  };
}

function typeOf(status: number): string {
  if (status >= 500) return "server_error";
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return "invalid_request_error";
}

function paramOf(error: ProxyError): string | null {
  switch (error.code) {
    case "model_not_found":
    case "model_disabled":
    case "invalid_model":
    case "ambiguous_model":
      return "model";
    default:
      return null;
  }
}
