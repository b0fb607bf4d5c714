import { writeFileSync } from "node:fs";
import { createProxy, type TargetSpec, type TargetTls } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { describe, expect, onTestFinished, test } from "vitest";
import { createAuthority, createSelfSigned, pemFiles } from "../certificates.ts";
import { keptLog } from "../core/kept-log.ts";
import { quickPlugin } from "../core/quick-plugin.ts";
import { get, handshake, post } from "./messages.ts";
import { errorCode, openWire } from "./open-wire.ts";
import { secureUpstream } from "./secure-upstream.ts";

const authority = createAuthority();
const own = authority.issue();

describe("a target by https", () => {
  test("is trusted for the authority that its spec names", async () => {
    const { ca } = pemFiles({ ca: authority.cert });
    const { url } = await secureUpstream(own);
    const wire = await openWire([], { targets: [{ url, tls: { ca } }] });
    const response = await wire.exchange(post("/", "body"));
    expect([response.status, response.text]).toEqual([200, "- -"]);
  });

  test.each([
    ["without", undefined],
    ["with", "open sesame"],
  ])("is shown the certificate of its spec, whose key is %s a passphrase", async (_what, passphrase) => {
    const client = authority.issue({ names: ["proxy"], ...(passphrase !== undefined && { passphrase }) });
    const files = pemFiles({ ca: authority.cert, cert: client.cert, key: client.key });
    const { url } = await secureUpstream(own, { ca: authority.cert, requestCert: true });
    const tls: TargetTls = { ...files, ...(passphrase !== undefined && { passphrase }) };
    const wire = await openWire([], { targets: [{ url, tls }] });
    const response = await wire.exchange(get("/"));
    expect([response.status, response.text]).toEqual([200, "- proxy"]);
  });

  test("is asked for by the name of its spec, which its certificate then has to have", async () => {
    const { ca } = pemFiles({ ca: authority.cert });
    const { url } = await secureUpstream(authority.issue({ names: ["models.test"] }));
    const named: TargetSpec = { url, tls: { ca, servername: "models.test" } };
    const wire = await openWire([], { targets: [named] });
    expect((await wire.exchange(get("/"))).text).toBe("models.test -");
  });

  test("is asked for by its own name, whatever Host it is sent, over one connection", async () => {
    const { ca } = pemFiles({ ca: authority.cert });
    const { url, sockets } = await secureUpstream(own);
    let turn = 0;
    const preserving = quickPlugin("preserving", () => ({
      upstreamRequest: (x) => void (x.upstream.headers["host"] = turn++ % 2 === 0 ? "a.test" : "b.test"),
    }));
    const target = { url: url.replace("127.0.0.1", "localhost"), tls: { ca } };
    const wire = await openWire([], { targets: [target], plugins: [preserving] });
    for (let i = 0; i < 3; i++) expect((await wire.exchange(get("/"))).text).toBe("localhost -");
    expect(sockets).toHaveLength(1);
  });

  test("is taken without a look at its certificate when its spec says so, and no other one", async () => {
    const { url } = await secureUpstream(createSelfSigned());
    const other = await secureUpstream(createSelfSigned());
    const wire = await openWire([], { targets: [{ url, tls: { verify: false } }], retry: { attempts: 1 } });
    expect((await wire.exchange(get("/"))).status).toBe(200);
    const strict = await openWire([], { targets: [{ url }, { url: other.url, tls: {} }], retry: { attempts: 1 } });
    for (let i = 0; i < 2; i++) expect((await strict.exchange(get("/"))).status).toBe(502);
  });

  test("gets tunnels by the same TLS", async () => {
    const { ca } = pemFiles({ ca: authority.cert });
    const { url, server } = await secureUpstream(own);
    server.on("upgrade", (_request, socket) =>
      socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"),
    );
    const wire = await openWire([], { targets: [{ url, tls: { ca } }] });
    const client = await wire.client();
    await client.send(handshake);
    expect((await client.head()).status).toBe(101);
    expect((await client.reader.take(5)).toString()).toBe("hello");
  });

  test("has no connection in common with one of the same address that is trusted otherwise", async () => {
    const [a, b] = [authority.issue({ names: ["a"] }), authority.issue({ names: ["b"] })];
    const files = pemFiles({ ca: authority.cert, copy: authority.cert, a: a.cert, ak: a.key, b: b.cert, bk: b.key });
    const { url, sockets } = await secureUpstream(own, { ca: authority.cert, requestCert: true });
    const targets: readonly TargetSpec[] = [
      { id: "a", url, tls: { ca: files.ca, cert: files.a, key: files.ak } },
      { id: "b", url, tls: { ca: files.ca, cert: files.b, key: files.bk } },
      { id: "c", url, tls: { ca: files.copy, cert: files.a, key: files.ak } },
    ];
    const wire = await openWire([], { targets });
    const texts: string[] = [];
    for (let i = 0; i < 6; i++) texts.push((await wire.exchange(get("/"))).text);
    expect(texts).toEqual(["- a", "- b", "- a", "- a", "- b", "- a"]);
    expect(sockets).toHaveLength(2);
  });

  test("is trusted as its files say when the config is loaded again", async () => {
    const { ca } = pemFiles({ ca: authority.cert });
    const { url, sockets } = await secureUpstream(own);
    const wire = await openWire([], { targets: [{ url, tls: { ca } }], retry: { attempts: 1 } });
    expect((await wire.exchange(get("/"))).status).toBe(200);
    await wire.proxy.reload();
    expect((await wire.exchange(get("/"))).status).toBe(200);
    expect(sockets).toHaveLength(1);
    writeFileSync(ca, createAuthority().cert);
    await wire.proxy.reload();
    const response = await wire.exchange(get("/"));
    expect([response.status, errorCode(response)]).toEqual([502, "tls_error"]);
    writeFileSync(ca, authority.cert);
    await wire.proxy.reload();
    expect((await wire.exchange(get("/"))).status).toBe(200);
  });
});

describe("a target that is not verified", () => {
  test("is warned of at each start and reload, once, by its name", async () => {
    const { url } = await secureUpstream(own);
    const { log, lines } = keptLog();
    const targets = [
      { id: "loose", url, tls: { verify: false } },
      { id: "off", url, tls: { verify: false }, enabled: false },
      { id: "tight", url, tls: {} },
    ];
    const proxy = await createProxy({ plugins: [staticTargets({ targets })] }, { log });
    onTestFinished(() => proxy.close({ deadline: 0 }));
    const warnings = (): readonly string[] => lines.filter((line) => line.startsWith("warn:"));
    expect(warnings()).toEqual([
      expect.stringMatching(
        /^warn: target loose is not verified .*whoever is in between can read and change everything/,
      ),
    ]);
    await proxy.fetch(new Request("http://proxy/"));
    await proxy.reload();
    expect(warnings()).toHaveLength(2);
  });
});
