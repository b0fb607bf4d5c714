import type { AnySchema } from "../contract/schema.ts";
import type { PluginInstance } from "../plugin.ts";
import type { ProxyConfig } from "../contract/proxy.ts";
import { type ConfigProblem, ConfigError } from "./config-error.ts";
import { configSchema } from "./schema.ts";
import { pluginGroups } from "./plugin-groups.ts";
import { portProblems } from "./port-problems.ts";
import { knownKeys, knownValues } from "./known-keys.ts";
import { showValue, withoutReceived } from "./show-value.ts";
import { suggest } from "./suggest.ts";
import { howToSet } from "./env.ts";
import { walkOptions } from "./walk-options.ts";
import { textOf } from "../errors.ts";

export interface ValidPlugin {
  readonly instance: PluginInstance;
  /** The list it stands in: whose requests it takes part in. */
  readonly scope: string;
  /** As in `plugins[3]` or `mounts[0].plugins[1]`. */
  readonly place: string;
  readonly options: unknown;
  /** Plugins that stand in its options, with their paths. */
  readonly inner: readonly InnerPlugin[];
}

export interface InnerPlugin extends Omit<ValidPlugin, "scope" | "place"> {
  readonly path: string;
}

interface Listed {
  readonly instance: PluginInstance;
  readonly scope: string;
  readonly place: string;
}

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[];
}

/** All plugins of a config, each with its place; refuses what is not a plugin. */
function listPlugins(config: ProxyConfig): Listed[] {
  if (config === null || typeof config !== "object" || !Array.isArray(config.plugins)) {
    const received = showValue(config);
    throw new ConfigError([
      {
        plugin: "",
        path: "plugins",
        message: "a config needs a list of plugins",
        received,
        index: -1,
        fix: "export default defineProxy({ plugins: [...] })",
      },
    ]);
  }
  const listed: Listed[] = [];
  const problems: ConfigProblem[] = [];
  let index = -1;
  for (const { scope, place, entries } of pluginGroups(config)) {
    for (const [nth, entry] of entries.entries()) {
      index += 1;
      if (isInstance(entry)) {
        listed.push({ instance: entry, scope, place: place(nth) });
        continue;
      }
      const fix =
        typeof entry === "function" ? `call it: ${entry.name || "plugin"}()` : "use a factory made by definePlugin";
      const received = showValue(entry);
      problems.push({ plugin: place(nth), path: "", message: "is not a plugin", received, index, fix });
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return listed;
}

function isInstance(value: unknown): value is PluginInstance {
  return typeof value === "object" && value !== null && "definition" in value && "name" in value;
}

/** Validates a config and the options of all its plugins, and reports every problem at once. */
export async function validateConfig(config: ProxyConfig): Promise<ValidPlugin[]> {
  const plugins = listPlugins(config);
  const own = [...(await check(configSchema, config, "", -1)).problems];
  if (own.length === 0) own.push(...portProblems(config));
  const problems: ConfigProblem[] = [...own, ...duplicates(plugins)];
  const valid: ValidPlugin[] = [];
  for (const [index, { instance, scope, place }] of plugins.entries()) {
    const at = { plugin: `${place} ${instance.name}`, index, path: "" };
    valid.push({ ...(await validatePlugin(instance, at, problems)), scope, place });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return valid;
}

interface Place {
  readonly plugin: string;
  readonly index: number;
  /** Of the plugin in the options of another; empty for one of the config's list. */
  readonly path: string;
}

type Validated = Omit<ValidPlugin, "scope" | "place">;

/** One plugin and those in its options, to any depth. */
async function validatePlugin(instance: PluginInstance, place: Place, problems: ConfigProblem[]): Promise<Validated> {
  const { plugin, index } = place;
  const below = (path: string): string => [place.path, path].filter(Boolean).join(".");
  const found = walkOptions(instance.input);
  const missing = new Set<string>();
  const inner: InnerPlugin[] = [];
  for (const { path, variable, plugin: given } of found) {
    if (variable !== undefined) {
      missing.add(path);
      const message = `the environment variable ${variable} is not set`;
      problems.push({ plugin, index, path: below(path), message, fix: howToSet(variable) });
    }
    if (given !== undefined) {
      inner.push({ path, ...(await validatePlugin(given, { ...place, path: below(path) }, problems)) });
    }
  }
  const checked = await checkInput(instance, plugin, index);
  for (const problem of checked.problems) {
    // What is missing is no value of a wrong type.
    if (!missing.has(problem.path)) problems.push({ ...problem, path: below(problem.path) });
  }
  return { instance, options: checked.value, inner };
}

async function checkInput(
  { definition, input }: PluginInstance,
  plugin: string,
  index: number,
): Promise<{ problems: ConfigProblem[]; value: unknown }> {
  const schema = definition.options;
  if (schema !== undefined) return check(schema, input === undefined ? {} : input, plugin, index);
  if (input === undefined) return { problems: [], value: undefined };
  const problem = { plugin, path: "", message: "takes no options", received: showValue(input), index };
  return { problems: [problem], value: undefined };
}

/** A plugin may stand in several lists, for the requests of each, but not in one list twice. */
function duplicates(plugins: readonly Listed[]): ConfigProblem[] {
  const first = new Map<string, Listed>();
  const problems: ConfigProblem[] = [];
  for (const [index, listed] of plugins.entries()) {
    const { instance, scope, place } = listed;
    const key = `${scope} ${instance.name}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, listed);
    else if (instance.definition.multiple !== true) {
      problems.push({
        plugin: `${place} ${instance.name}`,
        path: "",
        message: `stands in the config twice, first as ${earlier.place}`,
        index,
        fix: "remove one, or merge their options",
      });
    }
  }
  return problems;
}

async function check(
  schema: AnySchema,
  input: unknown,
  plugin: string,
  index: number,
): Promise<{ problems: ConfigProblem[]; value: unknown }> {
  let result: { issues?: readonly Issue[]; value?: unknown };
  try {
    result = (await schema["~standard"].validate(input)) as typeof result;
  } catch (error) {
    const message = `its options schema failed: ${textOf(error)}`;
    return { problems: [{ plugin, path: "", message, index }], value: undefined };
  }
  return {
    problems: (result.issues ?? []).map((issue) => ({ ...toProblem(issue, input, schema), plugin, index })),
    value: result.value,
  };
}

function toProblem(issue: Issue, input: unknown, schema: unknown): Omit<ConfigProblem, "plugin" | "index"> {
  const keys = (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part));
  const received = valueAt(input, keys);
  const fix = nearMiss(schema, keys, received);
  return {
    path: keys.map(String).join("."),
    message: fix?.unknownKey === true ? "unknown option" : withoutReceived(issue.message),
    received: showValue(received, keys),
    ...(fix === undefined ? {} : { fix: fix.text }),
  };
}

function nearMiss(
  schema: unknown,
  keys: readonly PropertyKey[],
  received: unknown,
): { text: string; unknownKey: boolean } | undefined {
  const last = keys.at(-1);
  const siblings = knownKeys(schema, keys.slice(0, -1));
  if (last !== undefined && siblings !== undefined && !siblings.includes(String(last))) {
    const near = suggest(String(last), siblings);
    const text = near === undefined ? `known options: ${siblings.join(", ")}` : `did you mean "${near}"?`;
    return { text, unknownKey: true };
  }
  const values = knownValues(schema, keys);
  if (values === undefined || typeof received !== "string") return undefined;
  const near = suggest(received, values);
  return { text: near === undefined ? `one of ${values.join(", ")}` : `did you mean "${near}"?`, unknownKey: false };
}

function valueAt(input: unknown, keys: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of keys) {
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
