import { stripVTControlCharacters } from "node:util";
import { notAdmin, refused, unreachable, variables } from "./admin-failures.ts";
import { Failure, usageError } from "./failure.ts";
import { given } from "./flags.ts";

export interface AdminAddress {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

/** The admin plugin of a running proxy. */
export interface AdminClient {
  /** Where it answers. */
  readonly url: string;
  /** @throws Failure that says what to do */
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
}

/** An upstream behind the proxy answers any path too, and has no such header. */
const mark = "x-plugboard-admin";
const usual = "http://127.0.0.1:8000";
/** Milliseconds for an answer. */
const patience = 10_000;

/** Flags before the environment. @throws Failure that names what is wrong with them */
export function createAdminClient({ url, token }: AdminAddress, env: NodeJS.ProcessEnv = process.env): AdminClient {
  const { url: urlName, token: tokenName } = variables;
  const base = url === undefined ? parseUrl(given(env[urlName]) ?? usual, urlName) : parseUrl(url, "--url");
  const secret = token === undefined ? given(env[tokenName]) : token;
  if (secret !== undefined && !/^[\x21-\x7e]+$/u.test(secret))
    throw usageError(`${token === undefined ? tokenName : "--token"} is no token: it has spaces or odd characters`);
  const shown: Record<string, string> = secret === undefined ? {} : { authorization: `Bearer ${secret}` };

  async function call<T>(path: string, init: RequestInit): Promise<T> {
    // A redirect is not followed: the token is for this address.
    const all: RequestInit = { ...init, redirect: "manual", signal: AbortSignal.timeout(patience) };
    const { response, text } = await ask(base + path, all).catch((error: unknown) => {
      throw unreachable(base, error, patience);
    });
    const value = parseAnswer(text);
    if (!response.headers.has(mark)) throw notAdmin(base, response, wordsOf(value, text));
    if (!response.ok)
      throw refused(base, response.status, { words: wordsOf(value, text), hasToken: secret !== undefined });
    if (typeof value === "object" && value !== null) return value as T;
    throw new Failure(1, `the admin plugin at ${base} answers what is no JSON`, { fix: "ask the proxy's log why" });
  }

  return {
    url: base,
    get: (path) => call(path, { headers: shown }),
    post: (path, body) => {
      const headers = { ...shown, "content-type": "application/json" };
      return call(path, { method: "POST", headers, body: JSON.stringify(body) });
    },
  };
}

async function ask(url: string, init: RequestInit): Promise<{ response: Response; text: string }> {
  const response = await fetch(url, init);
  return { response, text: await response.text() };
}

function parseUrl(text: string, origin: string): string {
  if (text.includes("@")) throw usageError(`${origin} has credentials in it`, `pass the token in $${variables.token}`);
  if (/^https?:\/\/[^\s\\?#/]+[^\s\\?#]*$/iu.test(text) && URL.canParse(text)) {
    const { origin: server, pathname } = new URL(text);
    const path = pathname.replace(/\/+$/u, "");
    return server + (path === "" ? "/admin" : path);
  }
  const near = URL.canParse(`http://${text}`) ? `http://${text}` : usual;
  throw usageError(`${origin} ${text} is no URL of a proxy`, `did you mean ${near}?`);
}

/** An error in any of the shapes that plugins give it. */
function wordsOf(value: unknown, text: string): string {
  const { error } = (value ?? {}) as { error?: unknown };
  if (typeof error === "string") return error;
  if (typeof error === "object" && error !== null && "message" in error) return String(error.message);
  return clean(text.slice(0, 500)) || "it says nothing more";
}

/** Undefined: it is no JSON. Reasons and labels come from elsewhere, and are not for a terminal to obey. */
function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text, (_, value: unknown) => (typeof value === "string" ? clean(value) : value));
  } catch {
    return undefined;
  }
}

function clean(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
}
