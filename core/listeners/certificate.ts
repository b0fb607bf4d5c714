import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import type { CertificateText } from "./certificate-files.ts";

export const minVersion = "TLSv1.2";

/** A certificate that a server can show. */
export interface ServerCertificate {
  readonly text: CertificateText;
  readonly x509: X509Certificate;
  /** Host names and addresses it is made out for, for people; its subject if there are none. */
  readonly names: string;
  readonly context: SecureContext;
}

/** Looks into what was read; what is wrong with it is added to `faults`. */
export function parseCertificate(text: CertificateText, faults: string[]): ServerCertificate | undefined {
  const { certPath, keyPath, cert, key, passphrase } = text;
  const tell = (fault: string): void => void faults.push(fault);
  const x509 = attempt(
    () => new X509Certificate(cert),
    (reason) => tell(`certificate ${certPath}: it is damaged or cut off (${reason})`),
  );
  const privateKey = attempt(
    () => createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) }),
    () => tell(`key ${keyPath}: ${keyFault(text)}`),
  );
  if (x509 === undefined || privateKey === undefined) return undefined;
  if (!x509.checkPrivateKey(privateKey)) {
    tell(mismatch(text, privateKey));
    return undefined;
  }
  const context = attempt(
    () => createSecureContext({ cert, key, passphrase, minVersion }),
    (reason) => tell(`certificate ${certPath}: it, or one of those behind it, cannot be used (${reason})`),
  );
  return context && { text, x509, names: namesOf(x509), context };
}

/**
 * Why these cannot be shown by one server. Node gives a connection the certificate that was picked for its name beside
 * the first one, not in its place, and OpenSSL takes the one whose kind of key it likes better: with keys of two kinds
 * that is the wrong certificate (nodejs/node#54235).
 */
export function mixedKeys(certificates: readonly ServerCertificate[]): string | undefined {
  const kind = ({ x509 }: ServerCertificate): string => x509.publicKey.asymmetricKeyType ?? "unknown";
  const [first, ...others] = certificates;
  const other = others.find((one) => first !== undefined && kind(one) !== kind(first));
  if (first === undefined || other === undefined) return undefined;
  const kinds = `certificate ${first.text.certPath} has a key of kind ${kind(first)}, ${other.text.certPath} one of kind ${kind(other)}`;
  return `${kinds}, and clients would be shown the wrong one; use one kind of key, or a listener for each kind`;
}

/** The first that is made out for the name, whatever its case. */
export function certificateFor(
  certificates: readonly ServerCertificate[],
  name: string,
): ServerCertificate | undefined {
  // checkHost throws at a NUL, and takes ".example.com" for any name below it.
  if (name.includes("\0") || name.startsWith(".")) return undefined;
  return certificates.find(({ x509 }) => x509.checkHost(name) !== undefined);
}

function namesOf(x509: X509Certificate): string {
  const names = [...(x509.subjectAltName ?? "").matchAll(/(?:DNS|IP Address):([^,]+)/g)].map(([, name]) => name);
  return names.length > 0 ? names.join(", ") : x509.subject.replaceAll("\n", ", ");
}

/** OpenSSL tells a wrong passphrase from a damaged file only most of the time. */
function keyFault({ key, passphrase }: CertificateText): string {
  if (!key.includes("ENCRYPTED")) return "it is damaged or cut off";
  if (passphrase === undefined) return "it is encrypted; set passphrase";
  return "its passphrase is wrong, or it is damaged";
}

function mismatch({ certPath, keyPath, cert }: CertificateText, key: KeyObject): string {
  const blocks = cert.match(/-----BEGIN (\w+ )?CERTIFICATE-----[^-]+-----END (\w+ )?CERTIFICATE-----/g) ?? [];
  const isOf = (block: string): boolean => new X509Certificate(block).checkPrivateKey(key);
  const index = blocks.findIndex((block) =>
    attempt(
      () => isOf(block),
      () => undefined,
    ),
  );
  if (index === -1) {
    return `key ${keyPath} does not belong to certificate ${certPath}; give the key that it was made with`;
  }
  const place = `key ${keyPath} belongs to certificate ${index + 1} of those in ${certPath}`;
  return `${place}; put that one first, and those of its issuers behind it`;
}

function attempt<T>(run: () => T, failed: (reason: string) => void): T | undefined {
  try {
    return run();
  } catch (error) {
    failed(reasonOf(error));
    return undefined;
  }
}

/** OpenSSL's own words, such as `bad decrypt`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "reason" in error && typeof error.reason === "string" ? error.reason : error.message;
}
