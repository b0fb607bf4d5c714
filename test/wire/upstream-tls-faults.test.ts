import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import type { TargetSpec } from "plugboard";
import { describe, expect, onTestFinished, test } from "vitest";
import { createAuthority, createSelfSigned, pemFiles } from "../certificates.ts";
import { testWith } from "../e2e/requires.ts";
import { get } from "./messages.ts";
import { errorCode, openWire } from "./open-wire.ts";
import { recorder } from "./recorder.ts";
import { secureUpstream } from "./secure-upstream.ts";
import { at } from "./waiting.ts";

const authority = createAuthority();
const own = authority.issue();

describe.each([false, true])("with http2 %s, a target whose TLS cannot be trusted", (http2) => {
  test.each<[string, RegExp, () => Promise<string>]>([
    ["that expired", /CERT_HAS_EXPIRED/, async () => (await secureUpstream(authority.issue({ days: -1 }))).url],
    ["of another name", /ALTNAME/, async () => (await secureUpstream(authority.issue({ names: ["a.test"] }))).url],
    ["that signed itself", /SELF_SIGNED/, async () => (await secureUpstream(createSelfSigned())).url],
    ["of an authority nobody knows", /UNABLE_TO/, async () => (await secureUpstream(createAuthority().issue())).url],
    ["that is no TLS at all", /SSL|EPROTO/, plain],
  ])("%s is told as that, without its name", async (_what, reason, open) => {
    await expectTlsError({ url: await open(), http2, tls: pemFiles({ ca: authority.cert }) }, reason);
  });

  // A server that is made with Node closes the connection instead, which looks like any other that does so.
  testWith("openssl")("that wants a certificate is told as that, without its name", async () => {
    const url = await demanding(http2 ? ["-alpn", "h2,http/1.1"] : []);
    await expectTlsError({ url, http2, tls: pemFiles({ ca: authority.cert }) }, /ALERT_CERTIFICATE_REQUIRED/);
  });

  testWith("openssl")("that wants another certificate is told as that, without its name", async () => {
    const url = await demanding();
    const files = pemFiles({ ca: authority.cert, ...createAuthority().issue() });
    await expectTlsError({ url, http2, tls: files }, /ALERT_(?:UNKNOWN_CA|DECRYPT_ERROR|BAD_CERTIFICATE)/);
  });

  async function plain(): Promise<string> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function demanding(options: readonly string[] = []): Promise<string> {
    const { ca, cert, key } = pemFiles({ ca: authority.cert, ...own });
    const trust = ["-CAfile", ca, "-Verify", "1", "-verify_return_error"];
    const served = ["s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-www", ...trust, ...options];
    const child = spawn("openssl", served, { stdio: ["pipe", "pipe", "ignore"] });
    onTestFinished(() => void child.kill());
    for await (const line of createInterface(child.stdout)) {
      const port = /^ACCEPT 127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
      if (port !== undefined) return `https://127.0.0.1:${port}`;
    }
    throw new Error("openssl does not listen");
  }

  async function expectTlsError(spec: TargetSpec, reason: RegExp): Promise<void> {
    const told = recorder();
    const targets = [{ ...spec, id: "secret-name" }];
    const wire = await openWire([], { targets, plugins: [told.plugin], retry: { attempts: 1 } });
    const response = await wire.exchange(get("/"));
    expect([response.status, errorCode(response)]).toEqual([502, "tls_error"]);
    expect(response.text).not.toMatch(/secret-name|127\.0\.0\.1/);
    await told.ended(1);
    expect(at(told.attempts).outcome.error).toMatchObject({
      code: "tls_error",
      target: "secret-name",
      cause: { code: expect.stringMatching(reason) },
    });
  }
});
