import type { Received } from "./received.ts";

/** Milliseconds, as vLLM's `kv_lease_duration`. */
export const leaseDuration = 30_000;

/** `void`: the worker that held it is dead, or could not tell it whole. */
export type LeaseState = "held" | "pulled" | "released" | "void";

/** KV blocks that a prefill worker holds for a decode worker. */
export interface Lease {
  /** The handle, as it was spelt. */
  readonly text: string;
  readonly worker: string;
  readonly path: string;
  readonly requestId: string | undefined;
  readonly client: string | undefined;
  /** On the clock of the room. */
  readonly until: number;
  state: LeaseState;
  /** A decode worker died while it was held: the request that brought it may have died too. */
  shaken: boolean;
  /** What gave it back. */
  release: Received | undefined;
}

export interface Leases {
  readonly all: readonly Lease[];
  /** @default text: one that tells a copy from what was parsed and spelt anew */
  issue(received: Received, text?: string): Lease;
  find(text: string): Lease | undefined;
  /** The same handle, spelt anew. */
  alike(text: string): Lease | undefined;
  /** Still held for that request. */
  heldFor(requestId: string | undefined): Lease | undefined;
  /** A prefill worker died, and its blocks with it. */
  dropAll(worker: string): void;
  /** A decode worker died. */
  shake(): void;
}

export function createLeases(now: () => number): Leases {
  const all: Lease[] = [];
  const byText = new Map<string, Lease>();
  const held = (): Lease[] => all.filter(({ state }) => state === "held");
  return {
    all,
    issue({ worker, path, requestId, client }, text = handleText(all.length + 1, requestId ?? "none")) {
      const until = now() + leaseDuration;
      const state = "held";
      const release = undefined;
      const lease: Lease = { text, worker, path, requestId, client, until, state, shaken: false, release };
      all.push(lease);
      byText.set(text, lease);
      return lease;
    },
    find: (text) => byText.get(text),
    alike(text) {
      const id = remoteRequestId(text);
      return id === undefined ? undefined : all.find((lease) => remoteRequestId(lease.text) === id);
    },
    heldFor: (requestId) => held().find((lease) => lease.requestId === requestId),
    dropAll(worker) {
      for (const lease of held()) if (lease.worker === worker) lease.state = "void";
    },
    shake() {
      for (const lease of held()) lease.shaken = true;
    },
  };
}

/**
 * The fields are those of vLLM's NixlConnector. Numbers beyond 2^53, `1.0`, escapes that nobody needs, a double name, odd
 * spaces and a character of two bytes tell a copy from what was parsed and spelt anew; brackets in a string, a copy from a
 * search for the next bracket.
 */
function handleText(serial: number, requestId: string): string {
  return (
    `{ "do_remote_prefill":true,"do_remote_decode" : false,\t"remote_block_ids":[[9007199254740993,${serial}],[ ]],` +
    String.raw`"remote_engine_id":"engine\/\u0061 }]\"{ ü",` +
    `"remote_request_id":"cmpl-${requestId}-${serial}","remote_host":"127.0.0.1","remote_port":5600,"tp_size":1.0,` +
    `"dcp_size":1,"pp_size":1,"remote_num_tokens":1e1,"remote_blocks_expiry_time":null,"transfer_mode":"pull",` +
    String.raw`"later":18446744073709551617,"later":-0 }`
  );
}

function remoteRequestId(text: string): string | undefined {
  try {
    const handle = JSON.parse(text) as { readonly remote_request_id?: string } | null;
    return handle?.remote_request_id;
  } catch {
    return undefined;
  }
}
