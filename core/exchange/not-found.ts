import { ProxyError } from "../errors.ts";
import type { ActiveExchange } from "./exchange.ts";

/** What is said when no plugin resolves a request. */
export function notFound(x: ActiveExchange): ProxyError {
  if (x.model === undefined)
    return new ProxyError("route_not_found", `Nothing here answers ${x.method} ${x.path}.`, { phase: "resolve" });
  return new ProxyError("model_not_found", `Model '${x.model}' not found.`, { phase: "resolve" });
}
