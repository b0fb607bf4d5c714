import type { Price, TargetSpec } from "../../core/index.ts";
import type { Dialect } from "./_dialect.ts";

export interface ProviderAuth {
  /** `Authorization: Bearer <key>`, or the key in the header of that name. @default "bearer" */
  type?: "bearer" | "x-api-key" | "x-goog-api-key" | "api-key";
  /** Best taken from the environment by `env("NAME")`; it is never shown. */
  key: string;
}

export interface ProviderModel {
  /** Dollars per million tokens. @default the provider's */
  price?: Price;
  /** As the provider's, which it takes precedence over. */
  extraBody?: Readonly<Record<string, unknown>>;
}

export interface Provider {
  /** What the paths of requests are added to. A version at its end replaces theirs: `https://api.openai.com/v1` will do. */
  url?: string;
  /** In place of `url`, when it depends on the API that the client speaks. */
  urls?: Readonly<Partial<Record<Dialect, string>>>;
  /** In place of the credentials that the client sent, which are removed. @default the client's are sent on */
  auth?: ProviderAuth;
  /** The names it knows its models by, alone or with what is special about each. @default it takes any */
  models?: readonly string[] | Readonly<Record<string, ProviderModel>>;
  /** Headers of each request, in place of the client's of the same name. */
  headers?: Readonly<Record<string, string>>;
  /** Top-level fields of each JSON body, whatever the request says. */
  extraBody?: Readonly<Record<string, unknown>>;
  /** Milliseconds. @default the route's */
  timeouts?: TargetSpec["timeouts"];
  /** Dollars per million tokens. */
  price?: Price;
  /** Attempts under way at most, for each host of it; one that is full is passed over. @default no limit */
  maxConcurrency?: number;
  /** Share of the traffic, relative to other targets. @default 1 */
  weight?: number;
  /** Beside `provider`, which is its name. */
  labels?: Readonly<Record<string, string>>;
  /** False: known by name, and never used. @default true */
  enabled?: boolean;
  /** The pool that it belongs to. @default "default" */
  pool?: string;
}

/** By a name of up to 200 letters, digits and `_ . @ + -`, the first a letter or a digit. */
export interface ProvidersOptions {
  readonly [name: string]: Provider;
}
