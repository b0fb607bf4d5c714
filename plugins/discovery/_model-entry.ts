import { placeOf, type TargetSpec } from "../../core/index.ts";
import type { ModelPlace } from "./_model-list.ts";

/** What is known of the models of one target. */
export interface ModelEntry {
  readonly id: string;
  spec: TargetSpec;
  /** Where it is, as text: elsewhere it is another server. */
  readonly print: string;
  /** Undefined: it cannot be asked. */
  readonly place: ModelPlace | undefined;
  /** Undefined until it has answered. */
  models: readonly string[] | undefined;
  /** Questions in a row that failed, and why the last did. */
  failures: number;
  fault: string | undefined;
  /** Names that it gave and none can have. */
  refused: number;
  /** The question that is under way. */
  asking: AbortController | undefined;
  /** When it is asked again. */
  timer: NodeJS.Timeout | undefined;
}

/** What outlives a reload: by the id of a target. */
export type KnownModels = Map<string, { readonly print: string; readonly models: readonly string[] }>;

export function createEntry(id: string, spec: TargetSpec, known: KnownModels, path: string | undefined): ModelEntry {
  const print = printOf(spec);
  const before = known.get(id);
  return {
    id,
    spec,
    print,
    place: toPlace(spec, path),
    models: before?.print === print ? before.models : undefined,
    failures: 0,
    fault: undefined,
    refused: 0,
    asking: undefined,
    timer: undefined,
  };
}

export function printOf({ url, addresses, tls, enabled }: TargetSpec): string {
  return JSON.stringify([url, addresses, tls, enabled]);
}

/** Neither has it answered, nor failed to. */
export function isAwaited({ place, models, failures }: ModelEntry): boolean {
  return place !== undefined && models === undefined && failures === 0;
}

/** One that names no models takes whatever it is asked for, so that until it has answered it may have to wait. */
export function toSpec({ spec, place, models }: ModelEntry, waits: boolean): TargetSpec | undefined {
  if (place === undefined) return { ...spec };
  if (models !== undefined) return models.length === 0 ? undefined : { ...spec, models };
  return waits && (spec.models ?? []).length === 0 ? undefined : { ...spec };
}

function toPlace(spec: TargetSpec, path: string | undefined): ModelPlace | undefined {
  if (spec.enabled === false || !/^https?:/i.test(spec.url)) return undefined;
  try {
    const { origin, basePath, dialer } = placeOf(spec);
    return { origin, path: path ?? pathFor(basePath), dialer };
  } catch {
    return undefined; // Core says why it cannot be a target.
  }
}

/** A base path may end in the version already, as Google's `/v1beta/openai` does. */
function pathFor(basePath: string): string {
  return /\/v\d+[a-z\d]*(?:\/openai)?$/.test(basePath) ? `${basePath}/models` : `${basePath}/v1/models`;
}
