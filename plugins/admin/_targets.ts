import { type Pool, ProxyError, suggest, type Target } from "../../core/index.ts";

/** A target and the pools that hold it. */
export interface Found {
  readonly target: Target;
  readonly pools: readonly Pool[];
}

/** Undefined: no pool has it now. */
export function findTarget(pools: readonly Pool[], id: string): Found | undefined {
  let target: Target | undefined;
  const holding = pools.filter(({ snapshot: { all, disabled } }) => {
    const found = [...all, ...disabled].find((one) => one.id === id);
    target ??= found;
    return found !== undefined;
  });
  return target === undefined ? undefined : { target, pools: holding };
}

const shownIds = 8;

/** Names those that were perhaps meant. */
export function unknownTarget(pools: readonly Pool[], id: string): ProxyError {
  const ids = [
    ...new Set(pools.flatMap(({ snapshot: { all, disabled } }) => [...all, ...disabled]).map((one) => one.id)),
  ];
  const near = suggest(id.slice(0, 128), ids);
  const some = ids.slice(0, shownIds).join(", ") + (ids.length > shownIds ? ", ..." : "");
  const hint =
    near === undefined ? (ids.length === 0 ? "there is none" : `there are ${some}`) : `did you mean '${near}'?`;
  return new ProxyError("route_not_found", `There is no target '${id.slice(0, 128)}'; ${hint}`);
}
