import { refusal } from "./_registry-http.ts";
import type { Patch } from "./_registry-store.ts";

type Body = Readonly<Record<string, unknown>>;

/** What a registration's body says, checked field by field. */
export interface Fields extends Required<Patch> {
  readonly name: string;
  /** Milliseconds; undefined: it did not say. */
  readonly lease: number | undefined;
}

export const serviceName: RegExp = /^[A-Za-z0-9][\w.:@+-]{0,127}$/;

type Read<T> = (value: unknown, field: string) => T;

const name: Read<string> = (value, field) => {
  if (typeof value === "string" && serviceName.test(value)) return value;
  throw wrong(field, "1 to 128 letters, digits and _ . : @ + -, the first a letter or a digit");
};

const text =
  (most: number): Read<string> =>
  (value, field) => {
    if (typeof value === "string" && value !== "" && value.length <= most && !/\p{Cc}/u.test(value)) return value;
    throw wrong(field, `a text of 1 to ${most} characters`);
  };

const number =
  (least: number, most: number, whole: boolean): Read<number> =>
  (value, field) => {
    const fits = typeof value === "number" && value >= least && value <= most && (!whole || Number.isInteger(value));
    if (fits) return value;
    throw wrong(field, `a ${whole ? "whole " : ""}number of ${least} to ${most}`);
  };

/** JSON.parse reads what is thousands of levels deep, JSON.stringify fails there: one entry would take all lists down. */
const mostLevels = 64;

const object: Read<Readonly<Record<string, unknown>>> = (value, field) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(field, "an object");
  if (isDeeper(value, mostLevels)) throw wrong(field, `an object of no more than ${mostLevels} levels`);
  return value as Record<string, unknown>;
};

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

const port = number(1, 65_535, true);
const status = text(64);
const weight = number(0, 1_000_000, false);

/** What PUT may change. */
const changeable = {
  host: text(253),
  port,
  hostname: text(253),
  url: text(2_048),
  status,
  metadata: object,
  weight,
} satisfies { readonly [K in keyof Required<Patch>]: Read<Patch[K]> };

export function parseRegistration(body: Body): Fields {
  const lease = body["lease"] === undefined ? undefined : number(1, 86_400, false)(body["lease"], "lease") * 1_000;
  return {
    name: name(there(body, "name"), "name"),
    host: changeable.host(there(body, "host"), "host"),
    port: port(there(body, "port"), "port"),
    hostname: changeable.hostname(there(body, "hostname"), "hostname"),
    url: changeable.url(there(body, "url"), "url"),
    status: status(there(body, "status"), "status"),
    metadata: body["metadata"] === undefined ? {} : object(body["metadata"], "metadata"),
    weight: body["weight"] === undefined ? 1 : weight(body["weight"], "weight"),
    lease,
  };
}

/** The fields that are there; others are the client's business. */
export function parsePatch(body: Body): Patch {
  const found = Object.entries(changeable).filter(([field]) => body[field] !== undefined);
  return Object.fromEntries(found.map(([field, read]) => [field, read(body[field], field)]));
}

export function parseStatus(body: Body | undefined): string | undefined {
  return body?.["status"] === undefined ? undefined : status(body["status"], "status");
}

/** The lease id that a client shows, in a header or in the body. */
export function parseLeaseId(header: string | string[] | undefined, body: Body | undefined): string | undefined {
  const given = header ?? body?.["lease_id"];
  if (given === undefined) return undefined;
  if (typeof given === "string" && /^[\x21-\x7e]{8,128}$/.test(given)) return given;
  throw wrong("lease_id", "8 to 128 letters, digits and signs without spaces");
}

/** Own fields only: what an object inherits was not sent. */
function there(body: Body, field: string): unknown {
  if (Object.hasOwn(body, field)) return body[field];
  throw refusal("invalid_field", `Missing required field: ${field}`);
}

/** Says what was expected, and not what came: that may be a secret in the wrong place, or a megabyte. */
function wrong(field: string, expected: string): Error {
  return refusal("invalid_field", `${field}: expected ${expected}.`);
}
