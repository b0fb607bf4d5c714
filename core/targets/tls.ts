import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import type { TargetTls } from "../contract/target.ts";

/** The TLS of a target, its files read. */
export interface UpstreamTls {
  /** The same for the same content, whatever the files are called. */
  readonly digest: string;
  readonly context: SecureContext;
  /** Undefined: the host of the URL. */
  readonly servername: string | undefined;
  readonly verify: boolean;
}

/** Throws an Error that names the target, the field and the file when something is wrong with one of them. */
export function readTls(id: string, tls: TargetTls): UpstreamTls {
  const reader = new TlsReader(id, tls);
  const ca = reader.ca();
  const identity = reader.identity();
  const { passphrase = "", servername, verify = true } = tls;
  const parts = [ca ?? "", identity?.cert ?? "", identity?.key ?? "", passphrase, servername ?? "", String(verify)];
  return {
    digest: createHash("sha256").update(JSON.stringify(parts)).digest("base64url"),
    context: createSecureContext({ ca, ...identity, ...(passphrase !== "" && { passphrase }) }),
    servername,
    verify,
  };
}

interface Identity {
  readonly cert: string;
  readonly key: string;
}

class TlsReader {
  readonly #id: string;
  readonly #tls: TargetTls;

  constructor(id: string, tls: TargetTls) {
    this.#id = id;
    this.#tls = tls;
  }

  ca(): string | undefined {
    const { ca } = this.#tls;
    return ca === undefined ? undefined : this.#certificates("ca", ca).pem;
  }

  identity(): Identity | undefined {
    const { cert, key } = this.#tls;
    if (cert === undefined && key === undefined) return undefined;
    if (key === undefined) throw this.#fault("has tls.cert without tls.key; name the file of its private key, too");
    if (cert === undefined) throw this.#fault("has tls.key without tls.cert; name the file of its certificate, too");
    const { pem, first } = this.#certificates("cert", cert);
    const text = this.#read("key", key);
    if (!first.checkPrivateKey(this.#privateKey(key, text)))
      throw this.#fault(`has the tls.key ${key}, which is not that of the tls.cert ${cert}; name the pair`);
    return { cert: pem, key: text };
  }

  #privateKey(path: string, text: string): KeyObject {
    const { passphrase = "" } = this.#tls;
    try {
      return createPrivateKey({ key: text, passphrase });
    } catch (cause) {
      const why = !text.includes("ENCRYPTED")
        ? "in which there is no private key; name a PEM file"
        : passphrase === ""
          ? "which is encrypted; give tls.passphrase, too"
          : "which tls.passphrase does not open; give the right one";
      throw this.#fault(`has the tls.key ${path}, ${why}`, cause);
    }
  }

  #certificates(field: "ca" | "cert", path: string): { readonly pem: string; readonly first: X509Certificate } {
    const pem = this.#read(field, path);
    const found = pem.match(/-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^]+?-----END \1-----/g) ?? [];
    try {
      const [first] = found.map((one) => new X509Certificate(one));
      if (first !== undefined) return { pem, first };
    } catch (cause) {
      throw this.#fault(`has the tls.${field} ${path}, in which a certificate is damaged; name a PEM file`, cause);
    }
    throw this.#fault(`has the tls.${field} ${path}, in which there is no certificate; name a PEM file`);
  }

  #read(field: keyof TargetTls, path: string): string {
    try {
      return readFileSync(path, "utf8");
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const why = code === "ENOENT" ? "which does not exist" : `which cannot be read: ${code}`;
      throw this.#fault(`has the tls.${field} ${path}, ${why}; give the path of a PEM file`, cause);
    }
  }

  #fault(what: string, cause?: unknown): Error {
    return new Error(`target ${this.#id} ${what}`, { cause });
  }
}
