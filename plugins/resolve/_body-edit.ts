import { findMembers, type MemberName, type Members, toMemberName } from "./_json-members.ts";

/** Top-level members of a JSON body, by name. */
export interface BodyFields {
  /** Take the place of what the body says, or are added. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Added where the body says nothing, also not null. A name in both is one of `set`. */
  readonly defaults?: Readonly<Record<string, unknown>>;
}

interface Field extends MemberName {
  readonly value: Buffer;
  /** Whether it replaces what is there. */
  readonly set: boolean;
  /** As it is added: name, colon and value. */
  readonly member: Buffer;
}

const comma: Buffer = Buffer.from(",");

/**
 * Makes a function that edits top-level members in the bytes of a JSON object, in one pass and without parsing it.
 *
 * A member of `set` gets its value wherever it stands, given twice or escaped too; what is missing is added behind the
 * last member, `set` first. All other bytes stay as they are. A body that is no object, or empty, or says all of this
 * already is returned as it is, the same object. Without any field nothing is looked at.
 *
 * Throws a TypeError for a value that JSON cannot write; the function throws `invalid_json` as `scanModel` does.
 */
export function createBodyEdit(fields: BodyFields): (body: Uint8Array) => Uint8Array {
  const set = fields.set ?? {};
  const list = [
    ...Object.entries(set).map(([name, value]) => toField(name, value, true)),
    ...Object.entries(fields.defaults ?? {})
      .filter(([name]) => !Object.hasOwn(set, name))
      .map(([name, value]) => toField(name, value, false)),
  ];
  if (list.length === 0) return (body) => body;

  return (body) => {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const members = findMembers(bytes, list);
    if (members === undefined) return body;
    const parts = toParts(bytes, members, list);
    return parts === undefined ? body : Buffer.concat(parts);
  };
}

function toField(name: string, value: unknown, set: boolean): Field {
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw new TypeError(`the body field "${name}" has a value that JSON cannot write`);
  return {
    ...toMemberName(name),
    set,
    value: Buffer.from(json),
    member: Buffer.from(`${JSON.stringify(name)}:${json}`),
  };
}

/** The edited body in pieces; undefined when nothing is to be changed. */
function toParts(bytes: Buffer, { found, end, empty }: Members, fields: readonly Field[]): Uint8Array[] | undefined {
  const parts: Uint8Array[] = [];
  const missing = new Set(fields);
  let from = 0;
  for (let i = 0; i < found.length; i += 3) {
    const field = fields[found[i]!]!;
    const start = found[i + 1]!;
    const behind = found[i + 2]!;
    missing.delete(field);
    if (!field.set || field.value.equals(bytes.subarray(start, behind))) continue;
    parts.push(bytes.subarray(from, start), field.value);
    from = behind;
  }
  if (missing.size > 0) {
    parts.push(bytes.subarray(from, end));
    from = end;
    let first = empty;
    for (const { member } of missing) {
      if (!first) parts.push(comma);
      parts.push(member);
      first = false;
    }
  }
  if (parts.length === 0) return undefined;
  parts.push(bytes.subarray(from));
  return parts;
}
