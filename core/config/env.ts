const missing: unique symbol = Symbol("plugboard.missing-variable");

/** Stands where the value of an environment variable is missing, until the config is validated. */
export interface MissingVariable {
  readonly [missing]: string;
}

/**
 * The value of an environment variable, for keys that must not stand in a config.
 *
 * One that is not set, or empty, is a problem of the config like any other: it is reported with the option it was
 * meant for, next to all else that is wrong. `fallback` takes its place instead.
 *
 * @example
 * providers({ openai: { url: "https://api.openai.com", auth: { key: env("OPENAI_API_KEY") } } });
 */
export function env(name: string, fallback?: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== "") {
    if (secretName.test(name) && value.length >= shortestSecret) secrets.add(value);
    return value;
  }
  if (fallback !== undefined) return fallback;
  // As long as any secret has to be.
  if (assumed) return `<variable-${name}>`;
  const marker: MissingVariable & { toString(): string } = {
    [missing]: name,
    toString() {
      throw new Error(`the environment variable ${name} is not set; ${howToSet(name)}`);
    },
  };
  return marker as unknown as string;
}

const secretName = /key|token|secret|pass|credential|auth|cookie|redis_url|dsn/i;
/** Shorter values stand in texts by chance. */
const shortestSecret = 6;
const secrets = new Set<string>();

/** Values that a config took from variables which are named like secrets. */
export function secretValues(): ReadonlySet<string> {
  return secrets;
}

let assumed = false;

/** Lets missing variables pass from now on: tables of routes are tested where no secrets are. */
export function assumeVariables(): void {
  assumed = true;
}

/** The name of the variable that is missing here. */
export function missingVariable(value: unknown): string | undefined {
  return typeof value === "object" && value !== null && missing in value ? String(value[missing]) : undefined;
}

export function howToSet(name: string): string {
  return `set it before the start: export ${name}=...`;
}
