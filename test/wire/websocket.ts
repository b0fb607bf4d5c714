import { expect } from "vitest";
import type { Peer } from "./evil-upstream.ts";
import { get, handshake, switching, upgradeHeaders, webSocketKey } from "./messages.ts";
import { openWire, type Wire, type WireOptions } from "./open-wire.ts";
import type { RawClient } from "./raw-client.ts";

export interface FrameOptions {
  /** @default 1, a text */
  readonly opcode?: number;
  /** @default true */
  readonly final?: boolean;
  /** As a client sends it. @default false */
  readonly masked?: boolean;
}

/** A WebSocket frame with this payload, latin1. */
export function webSocketFrame(payload: string, options: FrameOptions = {}): Buffer {
  const { opcode = 1, final = true, masked = false } = options;
  const bytes = Buffer.from(payload, "latin1");
  const mask = masked ? 0x80 : 0;
  const first = (final ? 0x80 : 0) | opcode;
  const head = Buffer.from(bytes.length < 126 ? [first, mask | bytes.length] : longHead(first, mask, bytes.length));
  if (!masked) return Buffer.concat([head, bytes]);
  const key = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([head, key, bytes.map((byte, index) => byte ^ (key[index % 4] as number))]);
}

function longHead(first: number, mask: number, length: number): number[] {
  const wide = length > 65_535;
  const size = Buffer.alloc(wide ? 8 : 2);
  size.writeUIntBE(length, wide ? 2 : 0, wide ? 6 : 2);
  return [first, mask | (wide ? 127 : 126), ...size];
}

export interface OpenTunnel {
  readonly wire: Wire;
  readonly client: RawClient;
  readonly peer: Peer;
}

/** A tunnel that both sides have agreed on, driven by hand. */
export async function openTunnel(options?: WireOptions, protocol = "websocket"): Promise<OpenTunnel> {
  const wire = await openWire(undefined, options);
  const client = await wire.client();
  const request =
    protocol === "websocket"
      ? handshake
      : get("/socket", ...upgradeHeaders.slice(0, 1), `Upgrade: ${protocol}`, webSocketKey);
  await client.send(request);
  const peer = await wire.upstream.accept();
  await peer.request();
  await peer.write(switching(protocol));
  expect((await client.head()).status).toBe(101);
  return { wire, client, peer };
}
