import type { IncomingMessage } from "node:http";
import { isForeignPage, type Stranger, strangerOf, tokenCheck } from "../../core/index.ts";
import { refusal } from "./_inference-http.ts";

export interface AccessOptions {
  readonly token?: string | undefined;
  readonly clients: "loopback" | "any";
}

/** Throws unless the client may start and stop programs here. */
export type Admit = (req: IncomingMessage) => void;

const reasons: Readonly<Record<Stranger, string>> = {
  address: "Only clients on this machine may use this without a token.",
  forwarded: "Without a token this cannot be used through another proxy.",
  host: "Without a token this is reached by localhost or a loopback address only.",
  page: "Without a token this cannot be used by a page of another site.",
};

export function createAccess({ token, clients }: AccessOptions): Admit {
  if (token === undefined) return (req) => refuseStrangers(clients === "any" ? pageOf(req) : strangerOf(req));
  const isShown = tokenCheck(token);
  return (req) => {
    if (!isShown(req)) throw refusal("unauthorized", "This takes its token: Authorization: Bearer TOKEN.");
  };
}

function pageOf(req: IncomingMessage): Stranger | undefined {
  return isForeignPage(req) ? "page" : undefined;
}

function refuseStrangers(stranger: Stranger | undefined): void {
  if (stranger !== undefined) throw refusal("forbidden", reasons[stranger]);
}
