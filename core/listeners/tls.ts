import type { Server } from "node:https";
import type { SecureContextOptions, TlsOptions } from "node:tls";
import type { ConsolaInstance } from "consola";
import type { TlsConfig } from "../contract/proxy.ts";
import { followFiles } from "./certificate-watch.ts";
import { certificateFor, minVersion } from "./certificate.ts";
import { openCertificates } from "./certificates.ts";
import { makeCertificate } from "./self-signed.ts";

export interface ServerTlsOptions extends SecureContextOptions {
  SNICallback?: TlsOptions["SNICallback"];
  ALPNProtocols: string[];
  minVersion: "TLSv1.2";
}

/** What an https server is made with, and how it follows its files. */
export interface ServerTls {
  /** With the certificates as they are now. */
  readonly options: ServerTlsOptions;
  /** Has this server, and no other, follow the files once it listens; tells what was taken in or refused. */
  follow(server: Server): void;
  /** Ends that; it may follow again. */
  close(): void;
}

export interface ServerTlsSettings {
  /** That the server listens on: a self-signed certificate is made out for it, too. */
  readonly host: string;
  readonly log: ConsolaInstance;
}

/**
 * Makes a server's part of TLS out of a config. A connection keeps the certificate that it began with.
 *
 * @throws Error with all that is wrong with the files: which one, what, and what to do
 */
export async function createServerTls(config: TlsConfig, { host, log }: ServerTlsSettings): Promise<ServerTls> {
  if (config === "self-signed") return selfSigned(host);
  const certificates = await openCertificates([config].flat(), log);
  let follower: { close(): void } | undefined;

  function close(): void {
    follower?.close();
    follower = undefined;
  }

  const tls: ServerTls = {
    get options() {
      const { cert, key, passphrase } = certificates.all[0]?.text ?? {};
      // Without a context it is the one of `cert` and `key`.
      const SNICallback: ServerTlsOptions["SNICallback"] = (name, done) =>
        done(null, certificateFor(certificates.all, name)?.context);
      return { cert, key, passphrase, SNICallback, ...versions() };
    },
    follow(server) {
      close();
      const take = (): void => server.setSecureContext(tls.options);
      const start = (): void => {
        // They may have changed since it was made.
        take();
        follower = followFiles(certificates.files, async (isOver) => {
          if (await certificates.reread(isOver)) take();
        });
      };
      if (server.listening) return start();
      // One that cannot listen leaves nothing behind.
      follower = { close: () => void server.off("listening", start) };
      server.once("listening", start);
    },
    close,
  };
  return tls;
}

async function selfSigned(host: string): Promise<ServerTls> {
  const options = { ...(await makeCertificate(host)), ...versions() };
  return { options, follow: () => undefined, close: () => undefined };
}

function versions(): Pick<ServerTlsOptions, "ALPNProtocols" | "minVersion"> {
  return { ALPNProtocols: ["http/1.1"], minVersion };
}
