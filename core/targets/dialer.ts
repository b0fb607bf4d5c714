import { isIP } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { buildConnector } from "undici";
import type { AddressRules } from "../wire/address-rules.ts";
import type { UpstreamTls } from "./tls.ts";

/** How a target is connected to: where its host may be, and how its TLS is trusted. */
export interface Dialer {
  readonly rules: AddressRules | undefined;
  /** The same for those that connect alike. */
  readonly text: string;
  /** For undici, and HTTP/1.1 only; gives up after so many milliseconds. */
  connector(timeout: number): buildConnector.connector;
  /** A TLS connection that offers HTTP/2 before HTTP/1.1; the caller keeps the time. */
  offerHttp2(to: { readonly host: string; readonly port: number }): TLSSocket;
}

const anywhere = createDialer(undefined, undefined);
const ruled: WeakMap<AddressRules, Dialer> = new WeakMap();

/** One for all connections that are held to the same rules, and to no TLS of their own. */
export function dialerFor(rules: AddressRules | undefined, tls: UpstreamTls | undefined): Dialer {
  if (tls !== undefined) return createDialer(rules, tls);
  if (rules === undefined) return anywhere;
  let found = ruled.get(rules);
  if (found === undefined) ruled.set(rules, (found = createDialer(rules, undefined)));
  return found;
}

function createDialer(rules: AddressRules | undefined, tls: UpstreamTls | undefined): Dialer {
  const lookup = rules !== undefined && { lookup: rules.lookup };
  const secure = tls !== undefined && { secureContext: tls.context, rejectUnauthorized: tls.verify };
  /** Never what a Host header says: the certificate has to be that of the target. */
  const nameFor = (host: string): string | undefined => tls?.servername ?? (isIP(host) === 0 ? host : undefined);
  return {
    rules,
    text: `${rules?.text ?? ""} ${tls?.digest ?? ""}`,
    connector(timeout) {
      const connector = buildConnector({ timeout, allowH2: false, ...lookup, ...secure });
      return (to, callback) => {
        if (to.protocol !== "https:") connector(to, callback);
        else connector({ ...to, servername: nameFor(to.hostname) ?? "" }, callback);
      };
    },
    offerHttp2({ host, port }) {
      const servername = nameFor(host);
      const options: ConnectionOptions = { host, port, ALPNProtocols: ["h2", "http/1.1"], ...lookup, ...secure };
      const socket = connect(servername === undefined ? options : { ...options, servername });
      return socket.setNoDelay(true).setKeepAlive(true, 60_000);
    },
  };
}
