import { createHash } from "node:crypto";
import { answering, ok } from "../wire.mjs";

export const json = "Content-Type: application/json";

export const plugins = `all.alias({ fast: { targets: [{ model: "a" }] } }), all.model(),`;

export const a = '{"model":"a"}';

/** Two upstreams that serve one model each, and a proxy that tells them apart by it. */
export async function models2(world, options = {}) {
  const [first, second] = [await world.upstream(answering(ok("a"))), await world.upstream(answering(ok("b")))];
  const targets = [first, second].map(({ url }, index) => ({ url, target: { models: [index === 0 ? "a" : "b"] } }));
  return { first, second, proxy: await world.proxy(targets, { plugins, ...options }) };
}

export const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
