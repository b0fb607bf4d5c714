import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { type Answer, decode, encode, type Packet, streamEncode, TRUNCATED_RESPONSE } from "dns-packet";

/** Records, a return code such as 2 for SERVFAIL, or nothing at all. */
export type Said = readonly Answer[] | number | "silence";

export interface StubDns {
  /** As the resolver takes it. */
  readonly server: string;
  /** Questions so far, such as `A a.test`. */
  readonly asked: readonly string[];
  /** Questions over TCP. */
  readonly overTcp: readonly string[];
  say(type: "A" | "AAAA" | "SRV", name: string, said: Said): void;
  /** Says this whatever is asked; undefined: as told. */
  all(said: Said | undefined): void;
  /** Forgets what it said and was asked. */
  reset(): void;
  close(): void;
}

export const servfail = 2;
export const nxdomain = 3;
export const refused = 5;

/** A name server on a port of 127.0.0.1, over UDP and TCP. A name that nobody told it of has no records. */
export async function stubDns(): Promise<StubDns> {
  const said = new Map<string, Said>();
  const asked: string[] = [];
  const overTcp: string[] = [];
  let forAll: Said | undefined;

  function answer(query: Packet): Packet | undefined {
    const [question] = query.questions ?? [];
    const what = `${question?.type} ${question?.name}`;
    asked.push(what);
    const found = forAll ?? said.get(what) ?? [];
    if (found === "silence") return undefined;
    const code = typeof found === "number" ? found : 0;
    const answers = typeof found === "number" ? [] : found.map((one) => ({ ...one, name: question?.name ?? "" }));
    return { type: "response", id: query.id!, flags: code, questions: query.questions!, answers };
  }

  const { udp, tcp, port } = await listen();
  udp.on("message", (bytes, peer) => {
    const query = decode(bytes);
    const response = answer(query);
    if (response === undefined) return;
    const whole = encode(response);
    const opt = query.additionals?.find(({ type }) => type === "OPT");
    const most = opt !== undefined && "udpPayloadSize" in opt ? opt.udpPayloadSize : 512;
    // What does not fit is asked for again over TCP.
    const cut = { ...response, flags: (response.flags ?? 0) | TRUNCATED_RESPONSE, answers: [] };
    udp.send(whole.length <= most ? whole : encode(cut), peer.port, peer.address);
  });
  tcp.on("connection", (socket) => {
    let bytes = Buffer.alloc(0);
    socket.on("error", () => undefined); // The resolver hangs up when it is cancelled.
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE()) {
        const query = decode(bytes.subarray(2, 2 + bytes.readUInt16BE()));
        bytes = bytes.subarray(2 + bytes.readUInt16BE());
        const response = answer(query);
        overTcp.push(asked.at(-1) ?? "");
        if (response !== undefined) socket.write(streamEncode(response));
      }
    });
  });

  return {
    server: `127.0.0.1:${port}`,
    asked,
    overTcp,
    say: (type, name, what) => void said.set(`${type} ${name}`, what),
    all: (what) => void (forAll = what),
    reset() {
      said.clear();
      asked.length = 0;
      overTcp.length = 0;
      forAll = undefined;
    },
    close() {
      udp.close();
      tcp.close();
    },
  };
}

/** Both on one port: another when the one of UDP is taken for TCP. */
async function listen(): Promise<{ udp: Socket; tcp: Server; port: number }> {
  for (;;) {
    const udp = createSocket("udp4");
    udp.bind(0, "127.0.0.1");
    await once(udp, "listening");
    const { port } = udp.address();
    const tcp = createServer().listen(port, "127.0.0.1");
    try {
      await once(tcp, "listening");
      return { udp, tcp, port };
    } catch {
      udp.close(); // The port is taken for TCP.
    }
  }
}

/** Address records with one TTL, in seconds. */
export function addresses(ttl: number, ...data: readonly string[]): Answer[] {
  return data.map((address) => ({ type: address.includes(":") ? "AAAA" : "A", name: "", ttl, data: address }));
}

export function service(target: string, port: number, priority = 0, weight = 0): Answer {
  return { type: "SRV", name: "", ttl: 1, data: { target, port, priority, weight } };
}
