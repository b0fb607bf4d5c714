import type { ServerCertificate } from "./certificate.ts";

/** Time to renew it in. */
const ample = 14 * 86_400_000;

/** What will or may go wrong with a certificate that can be used; the same words for as long as it stays so. */
export function certificateWarnings({ text, x509, names }: ServerCertificate): string[] {
  const warnings: string[] = [];
  const subject = `certificate ${text.certPath} (${names})`;
  const [from, until, now] = [Date.parse(x509.validFrom), Date.parse(x509.validTo), Date.now()];
  if (until < now) warnings.push(`${subject} expired on ${x509.validTo}: clients refuse it; renew it`);
  else if (until < now + ample) warnings.push(`${subject} ends on ${x509.validTo}; renew it`);
  if (from > now) warnings.push(`${subject} is not valid before ${x509.validFrom}: clients refuse it until then`);
  // Windows knows no such bits, and Node makes them up there.
  if ((text.keyMode & 0o044) !== 0 && process.platform !== "win32") {
    const mode = text.keyMode.toString(8).padStart(3, "0");
    warnings.push(`key ${text.keyPath} can be read by other users (mode ${mode}); chmod 600 it`);
  }
  return warnings;
}
