/** As SDKs are given it: `/v1`, `/api/paas/v4`, `/v1beta/openai`. */
const versionAtEnd = /(\/v\d+[a-z\d]*)(?:\/openai)?$/i;

/** What a base path makes of the path of a request. */
export function createBase(base: string): (path: string) => string {
  const version = versionAtEnd.exec(base)?.[1];
  if (version === undefined) return (path) => base + path;
  return (path) => base + withoutVersion(path, version);
}

/** What the base has said already; `/v1` is how clients begin whose SDK was given no more than the proxy's own URL. */
function withoutVersion(path: string, version: string): string {
  for (const prefix of [version, "/v1"]) {
    if (!path.startsWith(prefix)) continue;
    const next = path[prefix.length];
    if (next === undefined || next === "/" || next === "?") return path.slice(prefix.length);
  }
  return path;
}
