import { type Target, viewTarget } from "../../core/index.ts";
import type { BodyFields } from "./_body-edit.ts";

export interface LeafOptions {
  /** The aliases on the way: the one asked for first, the one it stands in last. */
  readonly path: readonly string[];
  /** What the upstreams call the model, with what the star stands for in its place. */
  readonly model: string;
  /** The model is another for each request: only targets that list none will do, and `model` still has its star. */
  readonly open?: boolean;
  readonly provider?: string | undefined;
  readonly weight?: number;
  /** What is to be said in the body. */
  readonly fields?: BodyFields | undefined;
}

/** One model of the upstreams, at its place among the targets of an alias. */
export interface Leaf extends LeafOptions {
  /** A face of its own for each target of the list that serves the model. */
  faces(pool: readonly Target[]): readonly Target[];
}

/** Which leaf a face is of. */
export type Owners = WeakMap<Target, Leaf>;

/**
 * Faces of one target share its id, so that after a failed attempt none of them is tried again. They tell the leaf: a
 * target that serves two models of an alias is a candidate twice.
 */
export function createLeaf(options: LeafOptions, owners: Owners): Leaf {
  const { model, open = false, weight = 1 } = options;
  // The same face for as long as the target lives, whatever else in the pool changes.
  const known = new WeakMap<Target, Target>();
  const toFace = (target: Target): Target => {
    let face = known.get(target);
    if (face === undefined) {
      // Names that clients make up are kept from what selectors remember by model.
      face = viewTarget(target, { weight: target.weight * weight, ...(!open && { model }) });
      known.set(target, face);
      owners.set(face, leaf);
    }
    return face;
  };
  const leaf: Leaf = {
    ...options,
    faces: (pool) => pool.filter((target) => matches(target, options)).map(toFace),
  };
  return leaf;
}

/** A provider is a label of several targets, or the id of one. */
export function isOfProvider(target: Pick<Target, "id" | "labels">, provider: string): boolean {
  return target.labels["provider"] === provider || target.id === provider;
}

/** What the star of the model stands for takes its place. */
export function fill(model: string, star: string): string {
  return model.replaceAll("*", () => star);
}

function matches(target: Target, { model, provider, open }: LeafOptions): boolean {
  if (provider !== undefined && !isOfProvider(target, provider)) return false;
  return target.models.length === 0 || (open !== true && target.models.includes(model));
}
