import type { Explanation } from "../explain/explanation.ts";
import type { UpstreamExpectation } from "./define.ts";
import { type Difference, differencesIn } from "./difference.ts";
import { equal, whyNone } from "./equal.ts";

/** What the request of the first attempt asks for. */
export function compareModel(expected: string, explanation: Explanation): Difference[] {
  const body = toJson(explanation.upstream?.body);
  const model = typeof body === "object" && body !== null && "model" in body ? body.model : undefined;
  return equal("model", expected, model, explanation);
}

/** The request of the first attempt. */
export function compareUpstream(expected: UpstreamExpectation, explanation: Explanation): Difference[] {
  const { upstream } = explanation;
  const { headers = {}, body } = expected;
  const sent = { ...upstream, path: upstream?.url.replace(/^[^:]*:\/\/[^/?]*/, "") };
  return [
    ...(["method", "url", "path"] as const).flatMap((key) =>
      expected[key] === undefined ? [] : equal(`upstream.${key}`, expected[key], sent[key], explanation),
    ),
    ...Object.entries(headers).flatMap(([name, value]) => compareHeader(name.toLowerCase(), value, explanation)),
    ...(body === undefined ? [] : compareBody(body, explanation)),
  ];
}

function compareHeader(name: string, expected: string | null, explanation: Explanation): Difference[] {
  const { upstream } = explanation;
  const path = `upstream.headers.${name}`;
  const wanted = expected ?? "not sent";
  if (upstream === undefined) return equal(path, wanted, undefined, explanation);
  const sent = upstream.headers[name];
  const received = Array.isArray(sent) ? sent.join(", ") : (sent ?? null);
  if (received === expected) return [];
  // What explain shows of a secret; the test file should not have it either.
  const secret = received === "***" && expected !== null ? { hint: 'a secret: expect "***" for any value' } : {};
  return [{ path, expected: wanted, received, ...secret }];
}

function compareBody(expected: string | object, explanation: Explanation): Difference[] {
  if (typeof expected === "string") return equal("upstream.body", expected, explanation.upstream?.body, explanation);
  const sent = explanation.upstream?.body;
  const received = toJson(sent);
  if (received === undefined && sent !== undefined) {
    return [{ path: "upstream.body", expected, received: sent, hint: "it is no JSON" }];
  }
  const differences = differencesIn("upstream.body", JSON.parse(JSON.stringify(expected)), received);
  return differences.map((difference) => ({ ...difference, ...whyNone(explanation) }));
}

function toJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined; // no JSON: the caller tells
  }
}
