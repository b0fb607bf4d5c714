import { type Exchange, isJson, ProxyError, type Setup } from "../../core/index.ts";
import { type ModelMember, scanModel } from "./_model-scan.ts";

/** Reads the model of a request's body, once for all plugins of a config. */
export interface ModelReader {
  /** Hook: sets `x.model` if nobody did. */
  readonly inspect: (x: Exchange) => void;
  /** Where the body names it; undefined when it does not, or is none to look into. */
  readonly member: (x: Exchange) => ModelMember | undefined;
}

export function createModelReader(proxy: Setup): ModelReader {
  proxy.needs({ body: "json" });
  // Null: looked, and there is none.
  const members = proxy.slot<ModelMember | null>("model-member");

  function member(x: Exchange): ModelMember | undefined {
    const known = members.get(x);
    if (known !== undefined) return known ?? undefined;
    const { body } = x;
    if (body === undefined || body.length === 0 || !mayNameModel(x)) return undefined;
    const found = scanModel(body);
    members.set(x, found ?? null);
    return found;
  }

  return {
    member,
    inspect(x) {
      if (x.model === undefined) x.model = member(x)?.model;
    },
  };
}

/** Another plugin may have asked for the bodies of all requests. */
function mayNameModel({ method, headers }: Exchange): boolean {
  if (method !== "POST" && method !== "PUT" && method !== "PATCH") return false;
  if (!isJson(headers["content-type"] ?? "")) return false;
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "" || encoding.toLowerCase() === "identity") return true;
  const message = "A JSON body is read here for its model and cannot be compressed; send it without Content-Encoding.";
  throw new ProxyError("unsupported_encoding", message);
}
