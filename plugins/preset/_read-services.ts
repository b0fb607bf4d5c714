import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { type Setup, type TargetSpec, textOf } from "../../core/index.ts";
import { type ReadServices, type StaticService, toStaticTargets } from "./_static-services.ts";

/** The targets of the option `staticServices`, which may name a file; what is wrong refuses the config. */
export function readServices(proxy: Setup, given: string | readonly StaticService[]): readonly TargetSpec[] {
  if (typeof given === "string") return readFile(proxy, resolve(given));
  const read = toStaticTargets(given);
  for (const problem of read.problems) proxy.problem({ ...problem, path: `staticServices.${problem.path}` });
  return tellIgnored(proxy, read);
}

function readFile(proxy: Setup, file: string): readonly TargetSpec[] {
  const name = relative(process.cwd(), file);
  const path = "staticServices";
  proxy.watchFile(file);
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof SyntaxError ? "is not JSON" : "cannot be read";
    proxy.problem({ path, message: `${name} ${why}: ${textOf(error)}` });
    return [];
  }
  const read = toStaticTargets(input);
  for (const { message, ...problem } of read.problems)
    proxy.problem({ ...problem, path, message: `${[name, problem.path].filter(Boolean).join(": ")}: ${message}` });
  return tellIgnored(proxy, read);
}

function tellIgnored({ log }: Setup, { targets, ignored }: ReadServices): readonly TargetSpec[] {
  for (const sentence of ignored) log.warn(`${sentence}: a service has name, host, port, weight and metadata`);
  return targets;
}
