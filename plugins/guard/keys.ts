import * as v from "valibot";
import { definePlugin, type Exchange, type Plugin, ProxyError } from "../../core/index.ts";
import type { Client } from "./_client.ts";
import { credentialHeaders, readCredential, stripCredential } from "./_credential.ts";
import { type KeyEntry, keyEntry, shortestKey, type ValidKeyEntry } from "./_key-entry.ts";
import { openKeyTable } from "./_key-file.ts";
import { checkKeys } from "./_key-problems.ts";
import type { ClientKey } from "./_key-table.ts";
import { namesMatcher } from "./_names.ts";

export type { Client } from "./_client.ts";
export type { KeyEntry } from "./_key-entry.ts";

export interface KeysOptions {
  /** One of these, or of `file`, has to come with each request. */
  keys?: readonly KeyEntry[];
  /** A JSON file with a list of more of them, by hash only; followed. */
  file?: string;
  /** Headers that a key is looked for in. @default authorization (Bearer), x-api-key, api-key, x-goog-api-key */
  headers?: readonly string[];
  /** Paths that need no key, as they are written; `/registry/*` is all that begin so. @default none */
  open?: readonly string[];
  /** Whether what plugins answer here, such as `/stats`, needs a key too. @default true */
  control?: boolean;
  /** The clock, in milliseconds since 1970. @default Date.now */
  now?: () => number;
}

interface Settings {
  readonly keys: readonly ValidKeyEntry[];
  readonly file?: string | undefined;
  readonly headers: readonly string[];
  readonly open: readonly string[];
  readonly control: boolean;
  readonly now: () => number;
}

const header = v.pipe(v.string(), v.toLowerCase(), v.regex(/^[a-z0-9-]+$/, "Expected the name of a header"));

const schema: v.GenericSchema<KeysOptions, Settings> = v.pipe(
  v.strictObject({
    keys: v.optional(v.array(keyEntry), []),
    file: v.optional(v.pipe(v.string(), v.nonEmpty("Expected the path of a JSON file"))),
    headers: v.optional(v.pipe(v.array(header), v.minLength(1, "Expected at least one header")), [
      ...credentialHeaders,
    ]),
    open: v.optional(v.array(v.pipe(v.string(), v.startsWith("/", "Expected a path such as /health"))), []),
    control: v.optional(v.boolean(), true),
    now: v.optional(
      v.custom<() => number>((value) => typeof value === "function", "Expected a function that tells the time"),
      () => Date.now,
    ),
  } satisfies Record<keyof KeysOptions, unknown>),
  v.check(({ keys, file }) => keys.length > 0 || file !== undefined, 'Expected "keys", a "file" of them, or both'),
);

/**
 * Lets in only clients that have a key, each to its models and until its time.
 *
 * 401 `unauthorized` without a good key, before the body is read, on all paths, with `control: false` except those
 * that plugins answer here, which is for control routes on a port of their own; 403 `forbidden` for a model that the
 * key is not for; 400 for two different keys in one request. A key for certain models only is refused, too, where no
 * plugin reads which model a request means. A key is 16 characters or more, stands in the config as its SHA-256 or
 * comes from the environment, and is sent to no upstream; who asked is in the slot `client` as `{ name, limits }`.
 * The list of models is not cut to what a key may ask for. A `file` that is wrong, or gone, leaves the keys as they
 * were and is an error in the log; at the start it must be right. Hashes are without salt: keys have to be made by
 * chance, as by `openssl rand -hex 24`, not by people.
 *
 * @example
 * keys({ keys: [{ name: "alice", key: env("ALICE_KEY"), models: ["fast", "gpt-*"] }], file: "keys.json" });
 */
export const keys: (options: KeysOptions) => Plugin = definePlugin({
  name: "keys",
  options: schema,
  async setup(proxy, { keys: own, file, headers, open, control, now }) {
    checkKeys(proxy, own);
    const table = await openKeyTable(proxy, own, file);
    const isOpen = namesMatcher(open);
    const client = proxy.slot<Client>("client");
    const keySlot = proxy.slot<ClientKey>("keys: key");

    function identify(x: Exchange): ClientKey {
      const secret = readCredential(x, headers);
      if (secret === undefined) throw unauthorized(x, `A key is needed; send it in ${headers.join(" or ")}.`);
      const found = table.find(secret);
      if (found === undefined || secret.length < shortestKey) throw unauthorized(x, "The key is not valid.");
      if (now() >= found.expires) throw unauthorized(x, "The key has expired.");
      // Logs and upstreams would see it.
      if (x.search.includes(secret) || x.path.includes(secret))
        throw new ProxyError("invalid_request", "The key stands in the URL; send it in a header only.");
      return found;
    }

    return {
      request: {
        before: ["rate-limit"],
        handler(x) {
          if ((x.control && !control) || isOpen(x.path)) return;
          const key = identify(x);
          x.notes?.push(`keys: the client is '${key.client.name}'`);
          client.set(x, key.client);
          keySlot.set(x, key);
        },
      },
      admit: {
        before: ["rate-limit"],
        handler(x) {
          const allows = keySlot.get(x)?.allows;
          if (allows !== undefined) checkModel(x, allows);
        },
      },
      upstreamRequest: {
        // Those put keys of their own in its place.
        before: ["providers"],
        handler: (x) => stripCredential(x, headers),
      },
    };
  },
});

function unauthorized(x: Exchange, message: string): ProxyError {
  x.node.res.setHeader("www-authenticate", "Bearer"); // RFC 9110 11.6.1
  return new ProxyError("unauthorized", message);
}

function checkModel({ model, route }: Exchange, allows: (model: string) => boolean): void {
  if (model === undefined)
    throw new ProxyError("forbidden", "The key is for certain models only, and this request names none.");
  if (allows(model) || (route?.alias !== undefined && allows(route.alias))) return;
  throw new ProxyError("forbidden", `The key is not for the model '${model}'.`);
}
