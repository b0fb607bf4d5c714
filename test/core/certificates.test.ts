import { X509Certificate } from "node:crypto";
import { connect, createServer } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createAuthority, createSelfSigned } from "../certificates.ts";

test("a certificate is trusted by those who trust its authority, for its names, while it is valid", async () => {
  const authority = createAuthority();
  const codes: unknown[] = [];
  const trials = [
    [authority.issue(), "localhost"],
    [authority.issue(), "127.0.0.1"],
    [authority.issue(), "example.test"],
    [authority.issue({ days: -1 }), "localhost"],
    [createAuthority().issue(), "localhost"],
    [createSelfSigned(), "localhost"],
  ] as const;
  for (const [certificate, name] of trials) {
    const server = createServer(certificate, (socket) => void socket.end());
    server.on("tlsClientError", () => {});
    server.listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const to = { host: name === "127.0.0.1" ? name : "127.0.0.1", port, ca: authority.cert };
    const socket = connect(name === "127.0.0.1" ? to : { ...to, servername: name });
    codes.push(
      await Promise.race([once(socket, "secureConnect"), once(socket, "error")]).then(
        ([e]) => e?.code,
        (e: { code: string }) => e.code,
      ),
    );
    socket.destroy();
  }
  expect(codes).toEqual([
    undefined,
    undefined,
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "CERT_HAS_EXPIRED",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
  ]);
  expect(new X509Certificate(authority.issue({ names: ["a.test", "::1"] }).cert).subjectAltName).toBe(
    "DNS:a.test, IP Address:0:0:0:0:0:0:0:1",
  );
});
