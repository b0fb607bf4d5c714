/** Letters, digits and marks that mean one thing everywhere; what most paths are made of. */
const plain = /^\/[\w\-~!$&'()*+,;=:@/.]*$/;
const broken = /%(?![\da-fA-F]{2})/;
/** Encoded slash, backslash, NUL; the same encoded once more; anything that RFC 3986 says needs no encoding (but `~`). */
const secondSpelling = /%(?:2f|5c|00|25(?:2e|2f|5c|00)|3[0-9]|[46][1-9a-f]|[57][0-9a]|2d|2e|5f)/i;
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:(?:;|%3b)[^/]*)?(?=\/|$)/i;
/** A character in more bytes than UTF-8 allows: lax decoders make a dot or a slash of it. */
const overlong = /%(?:c[01]|e0%[89]|f0%8)/i;
const unfit = /[^\x21-\x7e]|[\\#]/;

/**
 * Says why a path is ambiguous, or undefined when it has one reading only. A path that passes is matched and forwarded as
 * the same bytes, so that no plugin guards another path than the upstream serves.
 */
export function pathFault(path: string): string | undefined {
  if (plain.test(path) && !path.includes("/.")) return undefined;
  if (unfit.test(path)) return "it has bytes that must be percent-encoded";
  if (dotSegment.test(path)) return "it has dot segments";
  if (!path.includes("%")) return undefined;
  if (broken.test(path)) return "it has a percent sign without two hex digits";
  if (overlong.test(path)) return "it percent-encodes what is no UTF-8";
  if (secondSpelling.test(path)) return "it percent-encodes what must not be, or needs not be, encoded";
  return undefined;
}

/** `/v1` + `/models`; the base path has no slash at its end, the path begins with one. */
export function joinPath(basePath: string, path: string): string {
  return basePath === "" ? path : basePath + path;
}
