// RFC 9112 3.2: uri-host [":" port]. No comma, no userinfo, no path: each has been used to make a proxy and an
// upstream see two hosts.
const grammar = /^(?:[\w\-.~%!$&'()*+;=]+|\[[\da-fA-F:.]+\])(?::\d{0,5})?$/;

let lastGood = "";

export function isHost(host: string): boolean {
  if (host === lastGood) return true;
  if (host.length > 255 || !grammar.test(host)) return false;
  lastGood = host;
  return true;
}
