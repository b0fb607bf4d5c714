import { randomUUID } from "node:crypto";
import { type Exchange, isJson, ProxyError } from "../../core/index.ts";
import type { Plan } from "./_disaggregate-plan.ts";
import { editMembers, type MemberEdits } from "./_disaggregate-splice.ts";

/** What makes engines, or the sidecars before them, dial an address. */
const handles: MemberEdits = new Map(
  ["kv_transfer_params", "bootstrap_host", "bootstrap_port", "bootstrap_room"].map((name) => [name, { to: null }]),
);
const handleHeaders: readonly string[] = ["x-prefiller-host-port", "x-prefiller-url", "x-data-parallel-rank"];

/** Takes out what is not for a client to say. */
export function strip({ upstream }: Exchange): void {
  const { headers, body } = upstream;
  for (const name of handleHeaders) delete headers[name];
  if (body instanceof Uint8Array && body.length > 0 && isJson(String(headers["content-type"] ?? "")))
    upstream.body = editMembers(body, handles);
}

/** Nobody can see what handles are in a compressed body. */
export function refuseCompressed(x: Exchange): void {
  if (x.body === undefined || x.body.length === 0 || !isCompressed(x)) return;
  const message = "A JSON body is looked into here and cannot be compressed; send it without Content-Encoding.";
  throw new ProxyError("unsupported_encoding", message);
}

/** Whether it may be a request of two phases, as its head tells. */
export function isPlainJson(x: Exchange): boolean {
  return x.method === "POST" && isJson(x.headers["content-type"] ?? "") && !isCompressed(x);
}

/** The id of a client that core trusts with one is kept; others get a plain UUID, which the NixlConnector wants. */
export function setRequestId({ id, upstream: { headers } }: Exchange, plan: Plan): void {
  const given = headers["x-request-id"];
  plan.requestId ??= typeof given === "string" && given !== id ? given : randomUUID();
  headers["x-request-id"] = plan.requestId;
}

function isCompressed({ headers }: Exchange): boolean {
  const encoding = headers["content-encoding"] ?? "";
  return encoding !== "" && encoding.toLowerCase() !== "identity";
}
