import { type Exchange, isJson } from "../../core/index.ts";
import { fill, type Leaf, type Owners } from "./_alias-candidates.ts";
import { type BodyFields, createBodyEdit } from "./_body-edit.ts";
import { type ModelMember, scanModel, spliceModel } from "./_model-scan.ts";

type Edit = (body: Uint8Array) => Uint8Array;

/** The fields of an alias that stands among the targets of another: it has a say where that one says nothing. */
export function addFields(above: BodyFields | undefined, own: BodyFields): BodyFields | undefined {
  if (own.set === undefined && own.defaults === undefined) return above;
  if (above === undefined) return { set: own.set, defaults: own.defaults };
  const said = { ...above.defaults, ...above.set };
  return {
    set: { ...without(own.set, said), ...above.set },
    defaults: { ...without(own.defaults, said), ...above.defaults },
  };
}

function without(fields: BodyFields["set"] = {}, said: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !Object.hasOwn(said, name)));
}

export interface RewriteOptions {
  readonly owners: Owners;
  /** Where the client's bytes name the model. */
  readonly member: (x: Exchange) => ModelMember | undefined;
  /** What the star of the alias stands for in this request. */
  readonly star: (x: Exchange) => string | undefined;
}

/** Hook: puts the upstream's name of the model and the fields of the alias into the body. */
export function createRewrite({ owners, member, star }: RewriteOptions): (x: Exchange) => void {
  const edits = new WeakMap<Leaf, Edits>();

  function rewrite(body: Uint8Array, leaf: Leaf, model: string, found: ModelMember | undefined): Uint8Array {
    const { fields, open } = leaf;
    const spliced = found === undefined || found.model === model ? undefined : found.spans;
    if (fields === undefined) return spliced === undefined ? body : spliceModel(body, spliced, model);
    let own = edits.get(leaf);
    if (own === undefined) edits.set(leaf, (own = createEdits(leaf, fields)));
    if (found !== undefined && open !== true) return own.named(body);
    return own.unnamed(spliced === undefined ? body : spliceModel(body, spliced, model));
  }

  function edit(x: Exchange, body: Uint8Array, leaf: Leaf, model: string): void {
    // Where the name stands is known of the client's bytes only; another plugin may have put others in their place.
    const found = body === x.body ? member(x) : scanModel(body);
    if (found === undefined && !isJson(x.headers["content-type"] ?? "")) return;
    const edited = rewrite(body, leaf, model, found);
    if (edited === body) return;
    x.upstream.body = edited;
    if (x.notes !== undefined) noteChanges(x.notes, leaf, found, model);
  }

  return (x) => {
    const leaf = x.target && owners.get(x.target);
    if (leaf === undefined) return;
    const model = leaf.open === true ? fill(leaf.model, star(x) ?? "") : leaf.model;
    if (leaf.path.length > 1) x.notes?.push(`alias: ${toWay(leaf)} -> ${model} on ${x.target?.id}`);
    const { body } = x.upstream;
    if (body !== null && body !== "stream") edit(x, body, leaf, model);
  };
}

interface Edits {
  /** With the model in the same pass, where it is the same for all requests. */
  readonly named: Edit;
  /** For a body that names none. */
  readonly unnamed: Edit;
}

function createEdits({ model, open }: Leaf, { set, defaults }: BodyFields): Edits {
  const unnamed = createBodyEdit({ set, defaults });
  return { unnamed, named: open === true ? unnamed : createBodyEdit({ set: { ...set, model }, defaults }) };
}

/** As in `alias 'fast' -> alias 'cheap'`. */
export function toWay({ path }: Leaf): string {
  return path.map((id) => `alias '${id}'`).join(" -> ");
}

function noteChanges(notes: string[], leaf: Leaf, found: ModelMember | undefined, model: string): void {
  if (found !== undefined && found.model !== model) {
    notes.push(`alias: '${found.model}' in the body becomes '${model}'`);
  }
  const { set = {}, defaults = {} } = leaf.fields ?? {};
  const forced = Object.keys(set).join(", ");
  const filled = Object.keys(defaults)
    .filter((name) => !Object.hasOwn(set, name))
    .join(", ");
  if (forced !== "") notes.push(`alias: ${forced} set in the body`);
  if (filled !== "") notes.push(`alias: ${filled} filled in where the body says nothing`);
}
