import * as v from "valibot";
import { suggest, type TargetSpec } from "../../core/index.ts";
import { showValue, withoutReceived } from "../../core/config/show-value.ts";
import { outsideTargetList, targetFields, targetList, targetTlsFields } from "./_target-spec.ts";

/** One thing that is wrong with a list of targets. */
export interface ListFault {
  /** As in `targets`, `0`, `url`; empty for the list as a whole. */
  readonly path: readonly string[];
  /** With what to do about it. */
  readonly message: string;
}

export type TargetList =
  | { readonly targets: readonly TargetSpec[]; readonly faults?: undefined }
  | { readonly faults: readonly ListFault[] };

const schema = v.strictObject({ targets: targetList });
const outsideSchema = v.strictObject({ targets: outsideTargetList });

/**
 * Reads a list of targets, or `{ targets: [...] }`; tells all that is wrong at once. `outside`: it may come from someone who
 * does not write the config.
 */
export function parseTargetList(value: unknown, outside = false): TargetList {
  const list = Array.isArray(value) ? { targets: value } : value;
  if (typeof list !== "object" || list === null || !("targets" in list)) {
    const message = `Expected a list of targets or { targets: [...] }, received ${showValue(value)}`;
    return { faults: [{ path: [], message }] };
  }
  const result = v.safeParse(outside ? outsideSchema : schema, list);
  return result.success ? { targets: result.output.targets } : { faults: result.issues.map(toFault) };
}

function toFault(issue: v.BaseIssue<unknown>): ListFault {
  const path = (issue.path ?? []).map(({ key }) => String(key));
  const key = path.at(-1) ?? "";
  // Where a schema says never, no key was expected.
  if (issue.type === "strict_object" && issue.expected === "never") {
    const near = suggest(key, knownBeside(path));
    return { path, message: `unknown key${near === undefined ? "" : `; did you mean "${near}"?`}` };
  }
  const value = issue.path?.at(-1)?.value;
  return { path, message: `${withoutReceived(issue.message)}, received ${showValue(value, path)}` };
}

function knownBeside(path: readonly string[]): readonly string[] {
  if (path.length === 1) return ["targets"];
  if (path.length === 3) return targetFields;
  return path[2] === "tls" ? targetTlsFields : [];
}

/** `targets.0.url: Expected ..., received ...` */
export function showFault({ path, message }: ListFault): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}
