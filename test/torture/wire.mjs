// The raw client, the scripted upstream, the name server and the certificates of the tests, which are TypeScript.
import { createJiti } from "jiti";

const jiti = createJiti(import.meta.url, { fsCache: false });

export const { rawClient } = await jiti.import("../wire/raw-client.ts");
export const { answering, evilUpstream, portOf } = await jiti.import("../wire/evil-upstream.ts");
export const { within } = await jiti.import("../wire/waiting.ts");
export const { chunk, get, handshake, lastChunk, message, ok, okChunked, okEvents, post, postHead, switching } =
  await jiti.import("../wire/messages.ts");
export const { addresses, nxdomain, servfail, stubDns } = await jiti.import("../plugins/discovery/stub-dns.ts");
export const { createAuthority, createSelfSigned } = await jiti.import("../certificates.ts");
