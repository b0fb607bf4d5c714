import type { IncomingMessage, ServerResponse } from "node:http";
import { isLoopbackHost, ProxyError, type Setup, type Stranger, strangerOf, tokenCheck } from "../../core/index.ts";

/** Throws unless the client may look here and change things. */
export type Admit = (req: IncomingMessage, res: ServerResponse) => void;

const reasons: Readonly<Record<Stranger, string>> = {
  address: "Only clients on this machine may administer the proxy without a token.",
  forwarded: "Without a token the proxy cannot be administered through another one.",
  host: "Without a token the proxy is administered by localhost or a loopback address only.",
  page: "Without a token the proxy cannot be administered by a page of another site.",
};

export function createAccess({ status }: Pick<Setup, "status">, token: string | undefined): Admit {
  if (token === undefined) return (req) => admitLocal(req, status().listeners);
  const isShown = tokenCheck(token);
  return (req, res) => {
    if (isShown(req)) return;
    res.setHeader("www-authenticate", "Bearer"); // RFC 9110 11.6.1
    throw new ProxyError("unauthorized", "This takes its token: Authorization: Bearer TOKEN.");
  };
}

type Listeners = ReturnType<Setup["status"]>["listeners"];

function admitLocal(req: IncomingMessage, listeners: Listeners): void {
  const stranger = strangerOf(req);
  if (stranger !== undefined) throw new ProxyError("forbidden", reasons[stranger]);
  // What passes requests on without a word of it, such as a tunnel, makes everyone look like this machine.
  const { localPort } = req.socket;
  const open = listeners.find(({ port, host }) => port === localPort && !isLoopbackHost(host));
  if (open === undefined) return;
  const where = `Listener ${open.name} is bound to ${open.host}, where others reach it`;
  throw new ProxyError("forbidden", `${where}; without a token this is answered on loopback only.`);
}
