import type { Target } from "../../core/index.ts";

/** A target and the model it is asked for there, as one word. Ids have no spaces in them. */
export function toFace({ id, model }: Target): string {
  return model === undefined ? id : `${id} ${model}`;
}

/** The id of the target in it. */
export function idOf(face: string): string {
  const end = face.indexOf(" ");
  return end === -1 ? face : face.slice(0, end);
}
