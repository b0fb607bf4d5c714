import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Certificate } from "../contract/proxy.ts";

/** What the files of a certificate hold, not looked into yet. */
export interface CertificateText {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string | undefined;
  /** Permission bits of the key file. */
  readonly keyMode: number;
}

type Kind = "certificate" | "key";

const blocks: Readonly<Record<Kind, string>> = { certificate: "CERTIFICATE", key: "PRIVATE KEY" };

interface PemFile {
  readonly text: string;
  readonly mode: number;
}

/** Certificates and keys are some kilobytes; what is more than this is some other file. */
const mostBytes = 1_048_576;

const readErrors: ReadonlyMap<unknown, string> = new Map([
  ["ENOENT", "there is no such file; check the path, which counts from the working directory"],
  ["ENOTDIR", "a part of its path is no directory; check the path"],
  ["EACCES", "this user may not read it; give the user of the proxy the right to"],
  ["EPERM", "this user may not read it; give the user of the proxy the right to"],
]);

/** Reads a certificate and its key; what is wrong with the files is added to `faults`. */
export async function readCertificate(
  { cert, key, passphrase }: Certificate,
  faults: string[],
): Promise<CertificateText | undefined> {
  const [certPath, keyPath] = [resolve(cert), resolve(key)];
  const read = async (kind: Kind, path: string): Promise<PemFile | undefined> => {
    const file = await readPem(kind, path);
    if (typeof file === "object") return file;
    faults.push(`${kind} ${path}: ${file}`);
    return undefined;
  };
  const certFile = await read("certificate", certPath);
  const keyFile = await read("key", keyPath);
  if (certFile === undefined || keyFile === undefined) return undefined;
  return { certPath, keyPath, cert: certFile.text, key: keyFile.text, passphrase, keyMode: keyFile.mode };
}

/** Or why it cannot be had. */
async function readPem(kind: Kind, path: string): Promise<PemFile | string> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return "it is a directory; give the path of the file in it";
    // To read a pipe may wait for ever.
    if (!found.isFile()) return "it is no regular file; give the path of one";
    if (found.size > mostBytes) return `it has ${found.size} bytes, too many for a ${kind}; check the path`;
    const bytes = await readFile(path);
    return formatFault(kind, path, bytes) ?? { text: bytes.toString("utf8"), mode: found.mode & 0o777 };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    return readErrors.get(code) ?? `it cannot be read (${String(code)})`;
  }
}

function formatFault(kind: Kind, path: string, bytes: Buffer): string | undefined {
  const text = bytes.toString("latin1");
  if (text.trim() === "") return "it is empty";
  const holds = {
    certificate: /-----BEGIN (\w+ )?CERTIFICATE-----/.test(text),
    key: /-----BEGIN .*PRIVATE KEY-----/.test(text),
  };
  if (holds[kind]) return undefined;
  if (holds.certificate || holds.key) return "it holds the other one; are cert and key the wrong way round?";
  if (text.includes("-----BEGIN PUBLIC KEY-----")) return "it holds a public key; the private one is needed";
  return isDer(bytes) ? derFault(kind, path) : `it holds no PEM, which begins with -----BEGIN ${blocks[kind]}-----`;
}

/** Begins as a sequence of more than 127 bytes does; no text begins so. */
function isDer(bytes: Buffer): boolean {
  return bytes[0] === 0x30 && (bytes[1] ?? 0) > 0x80;
}

function derFault(kind: Kind, path: string): string {
  const tool = kind === "key" ? "pkey" : "x509";
  return `it is DER, and PEM is needed; convert it: openssl ${tool} -inform der -in ${path} -out <file>.pem`;
}
