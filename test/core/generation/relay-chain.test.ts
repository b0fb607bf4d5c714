import { ProxyError, type Relay, type RelayService } from "plugboard";
import { fakeExchange } from "plugboard/testing";
import { describe, expect, test, vi } from "vitest";
import { relayChain } from "../../../core/generation/relay-chain.ts";

const x = fakeExchange();
const head = { status: 200, headers: {} };
const error = new ProxyError("stream_idle", "Silent.");

const service = (relay: Partial<Relay>, match = true): RelayService => ({
  match: () => match,
  create: () => ({ data: (chunk) => chunk, ...relay }),
});
const chainOf = (services: readonly RelayService[]): Relay | undefined =>
  relayChain(
    services.map((each) => ({ plugin: "relay", service: each })),
    x,
    head,
  );
const chain = (...services: RelayService[]): Relay => chainOf(services) as Relay;
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (chunk: Uint8Array | null | undefined): string | undefined =>
  chunk === null || chunk === undefined ? undefined : Buffer.from(chunk).toString();
/** Adds its letter to each chunk. */
const stamp = (letter: string): Partial<Relay> => ({ data: (chunk) => bytes(text(chunk) + letter) });

test("nothing stands between upstream and client when no relay wants the response", () => {
  expect(chainOf([service({}, false)])).toBeUndefined();
  expect(chainOf([])).toBeUndefined();
});

test("a relay that does not want the response is not made", () => {
  const create = vi.fn<RelayService["create"]>();
  chainOf([{ match: () => false, create }]);
  expect(create).not.toHaveBeenCalled();
});

test("a single relay is used as it is", () => {
  const relay: Relay = { data: (chunk) => chunk };
  expect(chainOf([{ match: () => true, create: () => relay }, service({}, false)])).toBe(relay);
});

describe("several relays", () => {
  test("take each chunk in config order", () => {
    expect(text(chain(service(stamp("a")), service(stamp("b")), service(stamp("c"))).data(bytes("-")))).toBe("-abc");
  });

  test("the same chunk goes through uncopied", () => {
    const chunk = bytes("x");
    expect(chain(service({}), service({})).data(chunk)).toBe(chunk);
  });

  test("a dropped chunk is not shown to those behind", () => {
    const data = vi.fn<Relay["data"]>();
    expect(chain(service({ data: () => null }), service({ data })).data(bytes("x"))).toBeNull();
    expect(data).not.toHaveBeenCalled();
  });

  test.each(["end", "broken"] as const)("what one adds in %s passes those behind it, in order", (last) => {
    const relays = chain(
      service({ ...stamp("a"), [last]: () => bytes("1") }),
      service({ ...stamp("b"), [last]: () => bytes("2") }),
      service({ ...stamp("c"), [last]: () => bytes("3") }),
    );
    expect(text(last === "end" ? relays.end?.() : relays.broken?.(error))).toBe("1bc2c3");
  });

  test("a relay that holds bytes back lets go of what came in the end of the one before it", () => {
    let kept = "";
    const hold: Partial<Relay> = { data: (chunk) => ((kept += text(chunk)), null), end: () => bytes(kept) };
    const relays = chain(service({ end: () => bytes("tail") }), service(hold));
    relays.data(bytes("body "));
    expect(text(relays.end?.())).toBe("body tail");
  });

  test("nothing to add is null, and not an empty chunk", () => {
    const relays = chain(service({}), service({ end: () => null, broken: () => null }));
    expect(relays.end?.()).toBeNull();
    expect(relays.broken?.(error)).toBeNull();
  });

  test("each is told of the error that broke the stream", () => {
    const broken = vi.fn<NonNullable<Relay["broken"]>>(() => null);
    chain(service({ broken }), service({ broken })).broken?.(error);
    expect(broken.mock.calls).toEqual([[error], [error]]);
  });

  test("the shortest patience counts, and without any the route's", () => {
    expect(chain(service({ idle: 50 }), service({}), service({ idle: 20 })).idle).toBe(20);
    expect("idle" in chain(service({}), service({}))).toBe(false);
  });
});
