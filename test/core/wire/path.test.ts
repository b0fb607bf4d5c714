import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { joinPath, pathFault } from "../../../core/wire/path.ts";

describe("a path with one reading", () => {
  test.each([
    "/",
    "//",
    "//admin",
    "/a//b",
    "/a/",
    "/v1/chat/completions",
    "/.well-known/acme-challenge/x",
    "/a.b",
    "/...",
    "/a/...",
    "/a/..b",
    "/a/b..",
    "/.a",
    "/..a/b",
    "/a;b=1/c",
    "/a:b@c",
    "/ADMIN",
    "/~user",
    "/a!$&'()*+,;=:@-._~z",
    "/a%20b",
    "/a%3Ab",
    "/a%40b",
    "/%E2%82%AC",
    "/caf%c3%a9",
    "/a%2Bb",
    "/a%25b",
    "/100%25",
  ])("%s passes", (path) => {
    expect(pathFault(path)).toBeUndefined();
  });
});

const dots = "it has dot segments";
const spelling = "it percent-encodes what must not be, or needs not be, encoded";
const bytes = "it has bytes that must be percent-encoded";
const percent = "it has a percent sign without two hex digits";

describe("a path with two readings", () => {
  test.each([
    ["/.", dots],
    ["/..", dots],
    ["/./a", dots],
    ["/../a", dots],
    ["/a/..", dots],
    ["/a/./b", dots],
    ["/a/../b", dots],
    ["/%2e%2e/a", dots],
    ["/%2E./a", dots],
    ["/a/.%2e/b", dots],
    ["/a/..;/b", dots],
    ["/a/..;x=1/b", dots],
    ["/a/%2e%2e;x/b", dots],
    ["/a%2fb", spelling],
    ["/a%2Fb", spelling],
    ["/a%5cb", spelling],
    ["/a%00b", spelling],
    ["/%61dmin", spelling],
    ["/a%41", spelling],
    ["/a%5A%7a", spelling],
    ["/a%30", spelling],
    ["/a%39", spelling],
    ["/a%2d", spelling],
    ["/a%2eb", spelling],
    ["/a%5f", spelling],
    ["/%252e%252e/a", spelling],
    ["/a%252fb", spelling],
    ["/a%255c", spelling],
    ["/a%2500", spelling],
    ["/a%", percent],
    ["/a%2", percent],
    ["/a%zz", percent],
    ["/a%u002f", percent],
    ["/a\\b", bytes],
    ["/\\admin", bytes],
    ["/a#b", bytes],
    ["/a b", bytes],
    ["/a\tb", bytes],
    ["/a\u0000b", bytes],
    ["/a\u007fb", bytes],
    ["/a\u00e9", bytes],
  ])("%j is refused: %s", (path, why) => {
    expect(pathFault(path)).toBe(why);
  });
});

describe("a path that some decoders read in a second way", () => {
  test.each(["/a/..%3b/b", "/a/..%3B/b", "/a/.%3bx/b", "/..%3bx=1"])(
    "%s is refused: decoded once, its parameters begin behind dots",
    (path) => {
      expect(pathFault(path)).toBeDefined();
    },
  );

  test.each(["/%c0%ae%c0%ae/a", "/a%c0%afb", "/a%e0%80%afb", "/a%c1%9cb", "/a%f0%80%80%afb"])(
    "%s is refused: it spells a dot or a slash in more bytes than UTF-8 allows",
    (path) => {
      expect(pathFault(path)).toBeDefined();
    },
  );
});

/** Paths out of what has been used to fool proxies, so that many of them are almost right. */
const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("/", "a", "admin", ".", "..", ";", "%", "%25", "2e", "2f", "5c", "~", "b=1"),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom("%2e", "%2E", "%2f", "%5c", "%00", "%3b", "%252e", "%252f", "%25252e", "\\", "#"),
  },
  { weight: 2, arbitrary: fc.nat(255).map((byte) => `%${byte.toString(16).padStart(2, "0")}`) },
  // A question mark ends a path before it comes this far.
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 2 }).map((text) => text.replaceAll("?", "!")) },
);
const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join("")}`);

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // Bytes that are not UTF-8 have no reading as text.
  }
}

const slashes = (text: string): number => text.split(/[/\\]/).length;
const isDots = (segment: string): boolean => segment === "." || segment === "..";

describe("whatever the path, if it passes", () => {
  test("no segment becomes dots by decoding it, and no slash comes out of it", () => {
    fc.assert(
      fc.property(path, (raw) => {
        fc.pre(pathFault(raw) === undefined);
        const text = decoded(raw);
        fc.pre(text !== undefined);
        expect(slashes(text)).toBe(slashes(raw));
        expect(text.split("/").filter(isDots)).toEqual([]);
        expect(text).not.toContain("\u0000");
      }),
      { numRuns: 5_000 },
    );
  });

  test("not by decoding it twice either", () => {
    fc.assert(
      fc.property(path, (raw) => {
        fc.pre(pathFault(raw) === undefined);
        const twice = decoded(decoded(raw) ?? "%");
        fc.pre(twice !== undefined);
        expect(slashes(twice)).toBe(slashes(raw));
        expect(twice.split("/").filter(isDots)).toEqual([]);
      }),
      { numRuns: 5_000 },
    );
  });

  test("no other spelling that passes is decoded to the same letters, digits and dots", () => {
    const letter = fc.constantFrom("a", "b", "X", "Z", "0", "9", "-", ".", "_");
    const spelt = fc.tuple(letter, fc.boolean()).map(([char, encoded]) => ({
      char,
      text: encoded ? `%${char.charCodeAt(0).toString(16)}` : char,
    }));
    fc.assert(
      fc.property(fc.array(spelt, { minLength: 1 }), (parts) => {
        const raw = `/${parts.map(({ text }) => text).join("")}`;
        fc.pre(pathFault(raw) === undefined);
        expect(raw).toBe(`/${parts.map(({ char }) => char).join("")}`);
      }),
    );
  });

  test("URL and path agree on what it is", () => {
    fc.assert(
      fc.property(path, (raw) => {
        fc.pre(pathFault(raw) === undefined);
        const { pathname } = new URL(`http://host${raw}`);
        expect(pathname.split("/").length).toBe(raw.split("/").length);
      }),
    );
  });
});

describe("a base path and a path", () => {
  test.each([
    ["", "/", "/"],
    ["", "/models", "/models"],
    ["/v1", "/models", "/v1/models"],
    ["/v1", "/", "/v1/"],
    ["/v1", "/v1/models", "/v1/v1/models"],
    ["/a/b", "/c/d/", "/a/b/c/d/"],
    ["/v1", "//models", "/v1//models"],
    ["/a%20b", "/c%20d", "/a%20b/c%20d"],
  ])("%j and %j are %j", (base, rest, joined) => {
    expect(joinPath(base, rest)).toBe(joined);
  });
});
