import { type Discovery, type KnownTarget, type OptionProblem, suggest } from "../../core/index.ts";
import { isOfProvider } from "./_alias-candidates.ts";
import {
  type AliasEntry,
  type AliasModelTarget,
  type AliasOptions,
  fallbacksOf,
  type Keys,
  targetsOf,
} from "./_alias-options.ts";

interface Known {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly models: readonly string[];
  readonly enabled: boolean;
}

/** What a config says that cannot come true. */
export interface Findings {
  readonly problems: readonly OptionProblem[];
  readonly warnings: readonly string[];
}

/**
 * Compares the targets of aliases with all that discovery will ever push, where the config says it: a provider or a
 * model that is not among these is a mistake, and what is switched off is worth a word.
 */
export function compareWithKnown(aliases: AliasOptions, discoveries: Iterable<Discovery>): Findings {
  const pools = knownByPool(discoveries);
  const problems: OptionProblem[] = [];
  const warnings = new Set<string>();
  for (const [id, entry] of Object.entries(aliases)) {
    const known = pools.get(entry.pool ?? "default");
    if (known === undefined) continue;
    for (const [target, keys] of modelsOf(id, entry)) {
      const wrong = whatIsWrong({ aliases, id, target, known });
      if (wrong !== undefined) problems.push({ ...wrong, path: [...keys, wrong.path].join(".") });
      else if (target.enabled !== false && isOff(target, known)) warnings.add(whatIsOff(id, target));
    }
  }
  return { problems, warnings: [...warnings] };
}

function* modelsOf(id: string, entry: AliasEntry): Generator<readonly [AliasModelTarget, Keys]> {
  for (const [target, keys] of targetsOf(id, entry)) if (target.model !== undefined) yield [target, keys];
  for (const [fallback, keys] of fallbacksOf(id, entry)) if (typeof fallback === "object") yield [fallback, keys];
}

/** Pools of which everything is known. */
function knownByPool(discoveries: Iterable<Discovery>): Map<string, readonly Known[]> {
  const pools = new Map<string, readonly Known[] | undefined>();
  for (const { pool = "default", known } of discoveries) {
    const others = pools.has(pool) ? pools.get(pool) : [];
    pools.set(pool, others && known && [...others, ...known.map(toKnown)]);
  }
  return new Map([...pools].filter((pool): pool is [string, readonly Known[]] => pool[1] !== undefined));
}

function toKnown(target: KnownTarget): Known {
  const { url = "", id = url, labels = {}, models = [], enabled = true } = target;
  return { id, labels, models, enabled };
}

interface Subject {
  readonly aliases: AliasOptions;
  readonly id: string;
  readonly target: AliasModelTarget;
  readonly known: readonly Known[];
}

function whatIsWrong({ aliases, id, target: { model, provider }, known }: Subject): OptionProblem | undefined {
  const own = provider === undefined ? known : known.filter((each) => isOfProvider(each, provider));
  if (provider !== undefined && own.length === 0) {
    const message = `Provider '${provider}' not found for alias '${id}'`;
    const names = known.flatMap((each) => [each.labels["provider"] ?? each.id, each.id]);
    return { path: "provider", message, received: provider, ...near(provider, names) };
  }
  if (model.includes("*") || own.some((each) => serves(each, model))) return undefined;
  const message = `Model '${model}' is not in the list of ${provider === undefined ? "any target" : `provider '${provider}'`}`;
  const models = own.flatMap((each) => each.models);
  const isAlias = model !== id && Object.hasOwn(aliases, model);
  const fix = isAlias ? { fix: `for the alias of that name write { alias: "${model}" }` } : near(model, models);
  return { path: "model", message, received: model, ...fix };
}

function near(word: string, names: readonly string[]): { fix?: string } {
  const all = [...new Set(names)];
  const meant = suggest(word, all);
  if (meant !== undefined) return { fix: `did you mean "${meant}"?` };
  if (all.length === 0) return {};
  return { fix: `known: ${all.slice(0, 8).join(", ")}${all.length > 8 ? " and others" : ""}` };
}

function isOff({ model, provider }: AliasModelTarget, known: readonly Known[]): boolean {
  const own = known.filter((each) => provider === undefined || isOfProvider(each, provider));
  return own.filter((each) => model.includes("*") || serves(each, model)).every(({ enabled }) => !enabled);
}

function whatIsOff(id: string, { model, provider }: AliasModelTarget): string {
  const what = provider === undefined ? `all targets of its model '${model}' are` : `its provider '${provider}' is`;
  return `alias '${id}': ${what} switched off`;
}

function serves({ models }: Known, model: string): boolean {
  return models.length === 0 || models.includes(model);
}
