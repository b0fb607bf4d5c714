import { type Target, viewTarget } from "../../core/index.ts";

export interface WantedTarget {
  readonly model: string;
  readonly provider?: string;
  readonly weight?: number;
}

/** The candidates of an alias, and the name each of them knows the model by. */
export interface AliasCandidates {
  /** In the order of the alias's targets, then of the pool. */
  candidates(pool: readonly Target[]): readonly Target[];
  why(target: Target): string;
}

/**
 * Makes a face of its own for each pair of an alias target and a pool target that it matches, so that the face tells the
 * upstream model: a pool target that matches two alias targets is a candidate twice, once for each model. Faces of one
 * target share its id, so after a failed attempt neither of them is tried again.
 */
export function createCandidates(
  wanted: readonly WantedTarget[],
  upstreamModels: WeakMap<Target, string>,
): AliasCandidates {
  const faces = wanted.map((one) => createFaces(one, upstreamModels));
  const names = wanted.map(({ model, provider }) =>
    provider === undefined ? `'${model}'` : `'${model}' of ${provider}`,
  );
  return {
    candidates: (pool) => faces.flatMap((facesIn) => facesIn(pool)),
    why: () => `does not serve ${names.join(" or ")}`,
  };
}

function createFaces(
  wanted: WantedTarget,
  upstreamModels: WeakMap<Target, string>,
): (pool: readonly Target[]) => Target[] {
  // The same face for as long as the target lives, whatever else in the pool changes.
  const known = new WeakMap<Target, Target>();
  const toFace = (target: Target): Target => {
    let face = known.get(target);
    if (face === undefined) {
      face = viewTarget(target, { weight: target.weight * (wanted.weight ?? 1) });
      known.set(target, face);
      upstreamModels.set(face, wanted.model);
    }
    return face;
  };
  return (pool) => pool.filter((target) => matches(target, wanted)).map(toFace);
}

/** A provider is a label of several targets, or the id of one. */
export function isOfProvider(target: Target, provider: string): boolean {
  return target.labels["provider"] === provider || target.id === provider;
}

export function serves(target: Target, model: string): boolean {
  return target.models.length === 0 || target.models.includes(model);
}

function matches(target: Target, { model, provider }: WantedTarget): boolean {
  return serves(target, model) && (provider === undefined || isOfProvider(target, provider));
}
