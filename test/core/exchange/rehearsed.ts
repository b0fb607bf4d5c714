import type { ExplainRequest, ProxyConfig } from "plugboard";
import { onTestFinished } from "vitest";
import { rehearse } from "../../../core/explain/rehearsal.ts";
import type { ActiveExchange } from "../../../core/exchange/exchange.ts";
import { Generation } from "../../../core/generation/generation.ts";
import { idleStatus, ProxyState } from "../../../core/proxy-state.ts";
import { readHead } from "../../../core/wire/request-head.ts";

/** An exchange on its default route, as far as reading its head; nothing of it is sent anywhere. */
export async function rehearsed(
  config: ProxyConfig = { plugins: [] },
  request: ExplainRequest = {},
): Promise<ActiveExchange> {
  const proxy = new ProxyState();
  const generation = await Generation.load(config, proxy, { number: 1, mode: "check", status: idleStatus });
  onTestFinished(() => generation.close());
  await generation.discover();
  const x = rehearse(generation, request);
  const fault = readHead(x, proxy.limits);
  if (fault !== undefined) throw fault;
  x.route = x.site.defaultRoute;
  return x;
}
