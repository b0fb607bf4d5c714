import { setTimeout } from "node:timers/promises";
import type { ConsolaInstance } from "consola";
import type { Certificate } from "../contract/proxy.ts";
import { type CertificateText, readCertificate } from "./certificate-files.ts";
import { certificateWarnings } from "./certificate-warnings.ts";
import { mixedKeys, parseCertificate, type ServerCertificate } from "./certificate.ts";
import { textOf } from "../errors.ts";

/** Milliseconds in which a certificate and its key are both written. */
const grace = 250;

/** The certificates of one server, as they were last found to be right. */
export interface Certificates {
  readonly all: readonly ServerCertificate[];
  readonly files: readonly string[];
  /** Reads them anew, and tells of what was taken in or refused; true: they are other ones now. */
  reread(isOver: () => boolean): Promise<boolean>;
}

/** @throws Error with all that is wrong with the files */
export async function openCertificates(list: readonly Certificate[], log: ConsolaInstance): Promise<Certificates> {
  let all = parseAll(await readAll(list));
  const warned = new Set<string>();
  let refused: string | undefined;
  warn();

  function warn(): void {
    for (const warning of all.flatMap(certificateWarnings)) {
      if (!warned.has(warning)) log.warn(warning);
      warned.add(warning);
    }
  }

  function take(texts: readonly CertificateText[]): boolean {
    const changed = texts.filter((text, index) => !isSame(text, all[index]?.text));
    if (changed.length > 0) all = parseAll(texts);
    refused = undefined;
    const taken = all.filter(({ text }) => changed.includes(text));
    for (const { names, x509 } of taken) log.info(`shows a new certificate for ${names}, valid until ${x509.validTo}`);
    warn();
    return taken.length > 0;
  }

  return {
    get all() {
      return all;
    },
    files: all.flatMap(({ text }) => [text.certPath, text.keyPath]),
    async reread(isOver) {
      const attempt = async (): Promise<boolean> => {
        const texts = await readAll(list);
        return !isOver() && take(texts);
      };
      try {
        // What does not fit is most likely being written.
        return await attempt().catch(() => setTimeout(grace, undefined, { ref: false }).then(attempt));
      } catch (error) {
        const fault = textOf(error);
        // The same fault is no news, however often the files are written.
        if (!isOver() && fault !== refused) log.warn(`the certificates in use stay until the files fit:\n${fault}`);
        refused = fault;
        return false;
      }
    },
  };
}

async function readAll(list: readonly Certificate[]): Promise<readonly CertificateText[]> {
  const faults: string[] = [];
  if (list.length === 0) faults.push("tls names no certificate; give one, with its key");
  const texts: CertificateText[] = [];
  // One after the other: the same faults make the same words.
  for (const files of list) {
    const text = await readCertificate(files, faults);
    if (text !== undefined) texts.push(text);
  }
  refuse(faults);
  return texts;
}

function parseAll(texts: readonly CertificateText[]): readonly ServerCertificate[] {
  const faults: string[] = [];
  const all = texts.map((text) => parseCertificate(text, faults)).filter((certificate) => certificate !== undefined);
  const mixed = mixedKeys(all);
  if (mixed !== undefined) faults.push(mixed);
  refuse(faults);
  return all;
}

function refuse(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

function isSame(one: CertificateText, other: CertificateText | undefined): boolean {
  return one.cert === other?.cert && one.key === other.key;
}
