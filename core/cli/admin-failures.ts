import { Failure } from "./failure.ts";

/** Where the address and the token come from when there is no flag. */
export const variables = { url: "PLUGBOARD_ADMIN_URL", token: "PLUGBOARD_ADMIN_TOKEN" } as const;

const whereToLook = `is the proxy running? Name another address with --url or $${variables.url}`;
const untrusted = /CERT|SIGNED|SIGNATURE|ALTNAME/u;

/** There was no answer. */
export function unreachable(base: string, error: unknown, patience: number): Failure {
  const { origin } = new URL(base);
  const why = whyOf(error);
  if (why === "TimeoutError")
    return new Failure(1, `${origin} does not answer within ${patience / 1_000} s`, { fix: whereToLook });
  if (why === "ECONNREFUSED") return new Failure(1, `nothing listens at ${origin}`, { fix: whereToLook });
  const fix = untrusted.test(why) ? "trust its certificate with NODE_EXTRA_CA_CERTS=FILE" : whereToLook;
  return new Failure(1, `${origin} cannot be reached: ${why}`, { fix });
}

/** What `fetch` says is only that it failed. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return error.name;
  const cause = error.cause instanceof Error ? error.cause : error;
  return "code" in cause ? String(cause.code) : cause.message;
}

/** Somebody else answered. */
export function notAdmin(base: string, { status, headers }: Response, words: string): Failure {
  const isGuarded = (status === 401 || status === 403) && headers.has("x-proxy-error");
  if (!isGuarded)
    return new Failure(1, `there is no admin plugin at ${base}`, {
      fix: "add admin() to the config of the proxy, or pass --url with the port and path where it answers",
    });
  const { pathname } = new URL(base);
  return new Failure(1, `a guard of the proxy refused this before the admin plugin was asked: ${words}`, {
    fix: `where clients need keys, leave its path to its own token: keys({ open: ["${pathname}/*"] })`,
  });
}

interface Refusal {
  readonly words: string;
  readonly hasToken: boolean;
}

/** The admin plugin answered, and did not do it. */
export function refused(base: string, status: number, { words, hasToken }: Refusal): Failure {
  switch (status) {
    case 401:
      return hasToken
        ? new Failure(1, `the admin plugin at ${base} does not take this token`, { fix: `check $${variables.token}` })
        : new Failure(1, `the admin plugin at ${base} needs its token`, {
            fix: `set ${variables.token}, or pass --token`,
          });
    case 403:
      return new Failure(1, words, { fix: "ask from the machine of the proxy, or give admin() a token" });
    case 400:
    case 404:
      return new Failure(2, words);
    default:
      return new Failure(1, words);
  }
}
