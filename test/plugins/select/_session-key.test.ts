import { describe, expect, test } from "vitest";
import type { Exchange } from "plugboard";
import { fakeExchange } from "plugboard/testing";
import { createKeyReader, type KeptKey, keyNeedsBody, type SessionKey } from "../../../plugins/select/_session-key.ts";
import { posting, postingText } from "./select-bodies.ts";

const keptOf = (key: SessionKey | readonly SessionKey[], x: Exchange): KeptKey | undefined => {
  const reader = createKeyReader(key);
  return reader.read(x) ? reader.keep() : undefined;
};
const read = (key: SessionKey | readonly SessionKey[], x: Exchange) => keptOf(key, x)?.text;

describe("reads a key", () => {
  test("from a header, whatever its case in the config, and from several lines of it", () => {
    const x = fakeExchange({ headers: { "x-session-id": "s1", "x-many": ["a", "b"] } });
    expect(read("header:X-Session-Id", x)).toBe("default header:X-Session-Id s1");
    expect(read("header:x-many", x)).toBe("default header:x-many a, b");
    expect(read("header:x-other", x)).toBeUndefined();
  });

  test("from a cookie of exactly this name", () => {
    const x = fakeExchange({ headers: { cookie: "xsid=1; sid=a=b ;sid2=3" } });
    expect(read("cookie:sid", x)).toBe("default cookie:sid a=b");
    expect(read("cookie:id", x)).toBeUndefined();
    const inside = fakeExchange({ headers: { cookie: "a=sid=1; b = sid; sid; sid ;c=; sid = 7 ; sid=8" } });
    expect(read("cookie:sid", inside)).toBe("default cookie:sid 7");
    expect(read(["cookie:c", "cookie:b"], inside)).toBe("default cookie:b sid");
  });

  test("from the query, decoded", () => {
    expect(read("query:user", fakeExchange({ search: "?a=1&user=%C3%A9+x" }))).toBe("default query:user é x");
    expect(read("query:user", fakeExchange())).toBeUndefined();
  });

  test("from a string or a number at the top of the body, and from nothing else", () => {
    const x = posting({ user: "u1", seed: 7, flag: true, none: null, empty: "", metadata: { deep: "no" } });
    expect(read("body:user", x)).toBe("default body:user u1");
    expect(read("body:seed", x)).toBe("default body:seed 7");
    for (const field of ["flag", "none", "empty", "metadata", "deep", "constructor", "__proto__", "toString"]) {
      expect(read(`body:${field}`, x), field).toBeUndefined();
    }
  });

  test("from a body with strings full of quotes, brackets and keys", () => {
    const content = 'say "user": "x", {"user":"y"}] \\" \\\\';
    const x = postingText(`\uFEFF { "messages" : [{"content":${JSON.stringify(content)}}] , "user" : "u\\u0031" } `);
    expect(read("body:user", x)).toBe("default body:user u1");
  });

  test("the last of two members of the name, as JSON.parse has it", () => {
    expect(read("body:user", postingText('{"user":"a","user":"b"}'))).toBe("default body:user b");
  });

  test("of a name that is written with escapes, or in letters of any kind", () => {
    expect(read("body:user", postingText('{"us\\u0065r":"a","x":"user"}'))).toBe("default body:user a");
    expect(read('body:é"', postingText(JSON.stringify({ 'é"': 1 })))).toBe('default body:é" 1');
    expect(read("body:user", postingText('{"users":"a","use":"user"}'))).toBeUndefined();
  });

  test("of no body that is not JSON, or not whole", () => {
    for (const text of ["", "user=1", '["user"]', '"user"', '{"user"', '{"user":', '{"user":"a', '{"a":["user":"b"}']) {
      expect(read("body:user", postingText(text)), text).toBeUndefined();
      expect(read("conversation", postingText(text)), text).toBeUndefined();
    }
  });

  test("from the address", () => {
    expect(read("ip", fakeExchange({ ip: "10.0.0.1" }))).toBe("default ip 10.0.0.1");
    expect(read("ip", fakeExchange({ ip: undefined }))).toBeUndefined();
  });

  test("from the first forwarded address and the user agent, as InfiniLM does, and never from the peer's", () => {
    const headers = { "x-forwarded-for": " 1.2.3.4 , 5.6.7.8", "user-agent": "curl/8" };
    expect(read("forwarded", fakeExchange({ headers }))).toBe("default forwarded 1.2.3.4 curl/8");
    expect(read("forwarded", fakeExchange({ headers: { "user-agent": "curl/8" } }))).toBeUndefined();
    expect(read("forwarded", fakeExchange({ headers: { "x-forwarded-for": "" } }))).toBeUndefined();
  });

  test("by a function, as long as that gives a word", () => {
    expect(read((x) => x.path.split("/")[1], fakeExchange({ path: "/acme/v1" }))).toBe("default a function acme");
    expect(read((() => 5) as unknown as SessionKey, fakeExchange())).toBeUndefined();
    expect(read(() => "", fakeExchange())).toBeUndefined();
  });

  test("with the model in front", () => {
    expect(read("ip", fakeExchange({ ip: "::1", model: "llama" }))).toBe("llama ip ::1");
  });

  test("of bounded length, however long the value and the model", () => {
    const long = (end: string) => fakeExchange({ model: "m".repeat(9_999), search: `?a=${"k".repeat(9_999)}${end}` });
    const [one, same, other] = ["1", "1", "2"].map((end) => keptOf("query:a", long(end)));
    expect(one?.text.length).toBeLessThan(300);
    expect(one).toEqual(same);
    expect(one).not.toEqual(other);
  });

  test("from the first of a list that yields one", () => {
    const reader = createKeyReader(["header:x-session-id", "body:user", "ip"]);
    const both = posting({ user: "u1" }, { headers: { "x-session-id": "s1" } });
    expect([reader.read(both), reader.keep().text]).toEqual([true, "default header:x-session-id s1"]);
    const without = posting({ user: "u1" }, { headers: { "x-session-id": "" } });
    expect([reader.read(without), reader.keep().text]).toEqual([true, "default body:user u1"]);
    expect(reader.read(fakeExchange({ ip: undefined }))).toBe(false);
    expect(reader.source(posting({ user: "u1" }))).toBe("body:user");
    expect(reader.source(fakeExchange({ ip: undefined }))).toBeUndefined();
  });
});

describe("a conversation", () => {
  const system = { role: "system", content: "Be brief." };
  const user = { role: "user", content: "Hello" };
  const key = (json: unknown) => read("conversation", posting(json));

  test("keeps its key while it goes on, with a system message or without", () => {
    const more = [
      { role: "assistant", content: "Hi" },
      { role: "user", content: "Go on" },
    ];
    expect(key({ messages: [system, user] })).toMatch(/^default conversation [\w-]{43}$/);
    expect(key({ messages: [system, user, ...more], stream: true })).toBe(key({ messages: [system, user] }));
    expect(key({ messages: [user, ...more] })).toBe(key({ messages: [user] }));
  });

  test("is told from others by the system text and by what the user says first", () => {
    const keys = [
      key({ messages: [system, user] }),
      key({ messages: [user] }),
      key({ messages: [system, { role: "user", content: "Hello!" }] }),
      key({ messages: [{ role: "system", content: "Be long." }, user] }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("is the same with its text in parts, and with marks for the cache that move", () => {
    const parts = [{ type: "text", text: "Hello", cache_control: { type: "ephemeral" } }];
    expect(key({ messages: [system, { role: "user", content: parts }] })).toBe(key({ messages: [system, user] }));
  });

  test("is told by a picture where there is no text", () => {
    const showing = (url: string) => ({ messages: [{ role: "user", content: [{ type: "image_url", url }] }] });
    expect(key(showing("a"))).not.toBe(key(showing("b")));
    expect(key(showing("a"))).toBe(key(showing("a")));
  });

  test("is found in the bodies of other APIs", () => {
    expect(key({ system: "Be brief.", messages: [user] })).not.toBe(key({ messages: [user] }));
    expect(key({ input: "Hello" })).toBe(key({ input: [user, { role: "assistant", content: "Hi" }] }));
    expect(key({ instructions: "Be brief.", input: "Hello" })).not.toBe(key({ input: "Hello" }));
  });

  test("is that of the response before, where the request names one", () => {
    expect(key({ input: "More", previous_response_id: "resp_1" })).toBe("default conversation resp_1");
  });

  test("is none where there are no messages", () => {
    for (const json of [{}, { messages: [] }, { prompt: "Hello" }, { input: "" }, []]) {
      expect(key(json), JSON.stringify(json)).toBeUndefined();
    }
  });
});

test("needs the body for keys that stand in it", () => {
  expect(keyNeedsBody(["ip", "body:user"])).toBe(true);
  expect(keyNeedsBody("conversation")).toBe(true);
  expect(keyNeedsBody(["ip", "header:body:x", (x) => x.id])).toBe(false);
});

test("a session is the same by every name of an alias", () => {
  const route = { alias: "fast" } as NonNullable<Exchange["route"]>;
  const asked = (model: string): string | undefined =>
    read("header:x-session-id", fakeExchange({ model, route, headers: { "x-session-id": "ada" } }));
  expect([asked("quick"), asked("fast")]).toEqual(["fast header:x-session-id ada", "fast header:x-session-id ada"]);
});
