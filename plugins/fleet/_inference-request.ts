import { type FieldFault, refusal } from "./_inference-http.ts";

/** What is asked of `up`. */
export interface UpRequest {
  readonly model: string;
  readonly dtype: string;
  readonly args: readonly string[];
  /** Devices of one instance. */
  readonly devices: number;
}

/** Throws a refusal that names each field that is wrong. */
export function parseUp(body: unknown): UpRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw refusal("invalid", [{ type: "dict_type", loc: ["body"], msg: "Input should be a valid dictionary" }]);
  const { model, dtype, additional_args: given = [] } = body as Readonly<Record<string, unknown>>;
  const faults = [...wordFaults("model", model), ...wordFaults("dtype", dtype), ...listFaults(given)];
  const args = faults.length === 0 ? (given as readonly string[]) : [];
  const tensor = readSize(args, tensorFlags);
  const pipeline = readSize(args, pipelineFlags);
  faults.push(...args.flatMap(fixedFaults), ...tensor.faults, ...pipeline.faults);
  if (faults.length > 0) throw refusal("invalid", faults);
  return { model: model as string, dtype: dtype as string, args, devices: tensor.size * pipeline.size };
}

function wordFaults(field: string, value: unknown): FieldFault[] {
  const loc = ["body", field];
  if (value === undefined) return [{ type: "missing", loc, msg: "Field required" }];
  if (typeof value !== "string") return [{ type: "string_type", loc, msg: "Input should be a valid string" }];
  // A program takes what begins with a dash for an option.
  if (/^(?!-)[^\u0000-\u001f\u007f]+$/u.test(value)) return [];
  return [{ type: "value_error", loc, msg: "Input should be a word that does not begin with a dash" }];
}

function listFaults(value: unknown): FieldFault[] {
  const loc = ["body", "additional_args"];
  if (!Array.isArray(value)) return [{ type: "list_type", loc, msg: "Input should be a valid list" }];
  return value.flatMap((entry: unknown, index): FieldFault[] => {
    if (typeof entry !== "string")
      return [{ type: "string_type", loc: [...loc, index], msg: "Input should be a valid string" }];
    return entry.includes("\0") ? [toFault(index, "Input should not contain NUL characters")] : [];
  });
}

function toFault(index: number, msg: string): FieldFault {
  return { type: "value_error", loc: ["body", "additional_args", index], msg };
}

interface Flags {
  readonly short: string;
  readonly long: string;
}

const tensorFlags: Flags = { short: "-tp", long: "--tensor-parallel-size" };
const pipelineFlags: Flags = { short: "-pp", long: "--pipeline-parallel-size" };
/** Where an engine listens is decided here. */
const fixed = ["--host", "--port", "--uds", "--ssl-"];

/** `--a_b=c` as `--a-b` and `c`: vLLM takes underscores for dashes. */
function split(arg: string): readonly [string, string | undefined] {
  const at = arg.indexOf("=");
  const name = at === -1 ? arg : arg.slice(0, at);
  return [name.startsWith("--") ? name.replaceAll("_", "-") : name, at === -1 ? undefined : arg.slice(at + 1)];
}

/** Python's argparse takes any beginning of an option that is no other's. */
function fixedFaults(arg: string, index: number): FieldFault[] {
  const [name] = split(arg);
  const long = name.length > 2 && name.startsWith("--");
  if (!long || !fixed.some((one) => one.startsWith(name) || (one.endsWith("-") && name.startsWith(one)))) return [];
  return [toFault(index, `${name} cannot be given: where an instance listens is not for the request to say`)];
}

function names({ short, long }: Flags, name: string): boolean {
  // The shortest beginning that is no other option's of vLLM.
  const least = long.slice(0, long.indexOf("-", 2));
  return name === short || (name.startsWith(least) && long.startsWith(name));
}

/** The last one counts, as in the program. */
function readSize(args: readonly string[], flags: Flags): { readonly size: number; readonly faults: FieldFault[] } {
  let size = 1;
  const faults: FieldFault[] = [];
  for (const [index, arg] of args.entries()) {
    const [name, inline] = split(arg);
    if (!names(flags, name)) continue;
    const value = inline ?? args[index + 1] ?? "";
    size = Number(value);
    if (!/^\d{1,5}$/u.test(value) || size === 0) faults.push(toFault(index, `${name} should be followed by 1 or more`));
  }
  return { size, faults };
}
