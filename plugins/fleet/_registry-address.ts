import { isIP } from "node:net";
import type { AddressRules } from "../../core/index.ts";

/** Where a service says that it is. */
export interface Place {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly url?: string | undefined;
}

/** What makes sense of a host where the URL parser would see something else, such as a path or credentials. */
const hostText = /^[\p{L}\p{N}_.-]{1,253}$/u;

/** Of https://fetch.spec.whatwg.org/#port-blocking: what listens there takes a line of HTTP for a command. */
const badPorts: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

/** Milliseconds after which a name counts as one that does not resolve: each connection asks again. */
const resolveWithin = 2_000;
/** Names asked for at once: the system's resolver has few threads, which files need too. */
const mostQuestions = 64;

/** What a program calls "all my addresses", which leads others nowhere. */
const anywhere: ReadonlySet<string> = new Set(["0.0.0.0", "::", "[::]"]);

/**
 * The same place by the address it registered from, where its host is what it listens on: InfiniLM's babysitters are
 * often configured like that.
 */
export function seenFrom<P extends Place>(place: P, peer: string): P {
  const { host, url } = place;
  if (host === undefined || !anywhere.has(host) || peer === "") return place;
  const to = url === undefined ? undefined : toUrl(url);
  if (!(to instanceof URL) || !anywhere.has(to.hostname)) return { ...place, host: peer };
  const ending = url?.endsWith("/") === true || to.pathname !== "/" ? to.pathname : "";
  const port = to.port === "" ? "" : `:${to.port}`;
  return { ...place, host: peer, url: `${to.protocol}//${peer.includes(":") ? `[${peer}]` : peer}${port}${ending}` };
}

export function refusePort(port: number): string | undefined {
  return badPorts.has(port) ? `port ${port} is not for HTTP` : undefined;
}

/** Why a service may not be there, naming the field; a name that does not resolve now passes. */
export function createPlaceCheck(rules: AddressRules): (place: Place) => Promise<string | undefined> {
  let asked = 0;

  async function whyNoName(hostname: string | undefined): Promise<string | undefined> {
    if (hostname === undefined || isIP(hostname) !== 0 || asked >= mostQuestions) return undefined;
    asked += 1;
    try {
      return await resolves(rules, hostname);
    } finally {
      asked -= 1;
    }
  }

  return async ({ host, port, url }) => {
    const at = host === undefined ? undefined : toHost(host);
    const to = url === undefined ? undefined : toUrl(url);
    const wrong =
      named("port", port === undefined ? undefined : refusePort(port)) ??
      named("host", typeof at === "string" ? refuseHost(rules, at) : at?.why) ??
      named("url", to instanceof URL ? refuseUrl(rules, to) : to?.why);
    if (wrong !== undefined) return wrong;
    const byHost = typeof at === "string" ? bare(at) : undefined;
    const byUrl = to instanceof URL ? bare(to.hostname) : undefined;
    if (byHost === byUrl) return named("url", await whyNoName(byUrl));
    const [first, second] = await Promise.all([whyNoName(byHost), whyNoName(byUrl)]);
    return named("host", first) ?? named("url", second);
  };
}

interface Refused {
  readonly why: string;
}

function named(field: string, why: string | undefined): string | undefined {
  return why === undefined ? undefined : `${field}: ${why}`;
}

function refuseUrl(rules: AddressRules, url: URL): string | undefined {
  return refusePort(portOf(url)) ?? refuseHost(rules, url.hostname);
}

function refuseHost(rules: AddressRules, hostname: string): string | undefined {
  return rules.refuseHost(bare(hostname));
}

/** As a URL would have it: 0x7f000001 is 127.0.0.1. */
export function toHost(host: string): string | Refused {
  const plain = host.replace(/^\[(.*)\]$/, "$1");
  if (isIP(plain) === 6)
    return URL.canParse(`http://[${plain}]/`) ? new URL(`http://[${plain}]/`).hostname : noHost(host);
  if (!hostText.test(host) || !URL.canParse(`http://${host}/`)) return noHost(host);
  return new URL(`http://${host}/`).hostname;
}

function noHost(host: string): Refused {
  return { why: `${show(host)} is no host name or address` };
}

function toUrl(text: string): URL | Refused {
  if (text.length > 2_048) return { why: "it is longer than 2048 characters" };
  // What the URL parser would silently drop or turn into something else.
  if (/[\s\\\p{Cc}]/u.test(text)) return { why: "it has spaces, control characters or backslashes" };
  const [, authority, path] = /^https?:\/\/([^/?#]+)([^?#]*)$/i.exec(text) ?? [];
  if (authority === undefined || path === undefined || !URL.canParse(text))
    return { why: `${show(text)} is no http or https URL, or has a query or fragment` };
  if (authority.includes("@")) return { why: "it has credentials" };
  const odd = whyOdd(path);
  return odd === undefined ? new URL(text) : { why: odd };
}

/** Paths that another server may read as another path. */
function whyOdd(path: string): string | undefined {
  const plain = decoded(path);
  if (plain === undefined || /%(?:2f|5c|25)/i.test(path) || /[\p{Cc}\\;]/u.test(plain))
    return "its path has encoded slashes, control characters or the like";
  const segments = plain.split("/").slice(1);
  if (segments.some((segment) => segment === "." || segment === "..")) return "its path has dot segments";
  return segments.slice(0, -1).includes("") ? "its path has empty segments" : undefined;
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // No UTF-8, or a lone percent sign.
  }
}

function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}

/** Without brackets, and without the dot of a name that is told to the end. */
function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function resolves(rules: AddressRules, hostname: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), resolveWithin).unref();
    rules.lookup(hostname, { all: true }, (error) => {
      clearTimeout(timer);
      resolve(error?.code === "EBLOCKED" ? error.message : undefined);
    });
  });
}
