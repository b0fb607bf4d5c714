/**
 * Takes listhen's self-signed certificate, and only that: its server moves to port 3000 when it does not like the one it
 * is given, to all interfaces when it does not like the host, and listens to every request twice.
 */
export async function makeCertificate(host: string): Promise<{ key: string; cert: string }> {
  const { listen: listhen } = await import("listhen");
  const domains = [...new Set([host, "localhost", "127.0.0.1", "::1"])];
  const { https, close } = await listhen(() => {}, {
    port: { random: true, port: 0 },
    hostname: "127.0.0.1",
    https: { domains, validityDays: 365 },
    isProd: true,
    autoClose: false,
    showURL: false,
  });
  await close();
  if (https === false) throw new Error("listhen made no certificate");
  return https;
}
