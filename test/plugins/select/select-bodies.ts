import type { Exchange, Plugin } from "plugboard";
import { staticTargets } from "plugboard/plugins/discovery/static-targets";
import { fakeExchange } from "plugboard/testing";
import { openProxy } from "../../e2e/open-proxy.ts";
import { openUpstream } from "../../e2e/open-upstream.ts";

/** A POST with this JSON body, parsed once as core does it. */
export function posting(json: unknown, fields: Partial<Exchange> = {}): Exchange {
  return postingText(JSON.stringify(json), fields);
}

/** The same for a body as it is written. */
export function postingText(text: string, fields: Partial<Exchange> = {}): Exchange {
  return fakeExchange({ method: "POST", body: Buffer.from(text), json: readerOf(text), ...fields });
}

function readerOf(text: string): Exchange["json"] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined; // As core has it.
  }
  return <T>() => parsed as T | undefined;
}

/** A proxy in front of upstreams that say their place, with these labels; gives a function that posts JSON to it. */
export async function postThrough(
  selector: Plugin,
  labels: readonly Readonly<Record<string, string>>[],
): Promise<(json: unknown) => Promise<string>> {
  const targets = await Promise.all(
    labels.map(async (each, place) => ({
      url: await openUpstream((req, res) => void req.resume().once("end", () => res.end(String(place)))),
      labels: each,
    })),
  );
  const { url } = await openProxy([staticTargets({ targets }), selector]);
  return async (json) => {
    const headers = { "content-type": "application/json" };
    return (await fetch(url, { method: "POST", headers, body: JSON.stringify(json) })).text();
  };
}
