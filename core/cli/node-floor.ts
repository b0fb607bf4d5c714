/** By major version, the first release without the known ways to stop a server from outside; newer majors have none. */
const floors: ReadonlyMap<number, readonly [minor: number, patch: number]> = new Map([[20, [20, 2]]]);

/** The release that this version of Node should be replaced by at least; undefined: it is new enough. */
export function newerNodeThan(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.replace(/^v/, "").split(".").map(Number);
  const floor = floors.get(major);
  if (floor === undefined) return undefined;
  const [leastMinor, leastPatch] = floor;
  if (minor > leastMinor || (minor === leastMinor && patch >= leastPatch)) return undefined;
  return `${major}.${leastMinor}.${leastPatch}`;
}
