const words = (...lines: string[]): readonly string[] => lines.flatMap((line) => line.split(" "));

/** Paths with a second meaning. */
export const ambiguous: readonly string[] = words(
  "/.. /../a /a/../b /a/./b /a/. /a/.. /%2e%2e/a /%2E%2E/a /a/.%2e/b /a/%2e/b /a/..;/b /a/..;x=1/b /a/..%3b/b",
  "/a%2fb /a%2Fb /a%5cb /a%5Cb /a\\b /\\a /a%00b /a#b /a\xe9b /%61dmin /a%41 /a%30 /a%2db /a%5fb /a% /a%2 /a%zz",
  "/%252e%252e/a /a%252fb /a%252Fb /a%255cb /a%2500b /%c0%ae%c0%ae/a /a%e0%80%afb",
);

/** Paths with one meaning, however odd. */
export const exact: readonly string[] = words(
  "/ /a/ //a /a//b // /a;b=1 /a;/b /... /.a /..a /a.. /a%20b /a%C3%A9 /a%c3%a9 /a%2541 /a+b /a:b@c /a|b /~a",
  "/a!$&'()*,= /A",
);

export const queries: readonly string[] = words(
  '/? /a? /?a=1&a=2 /?%zz /?a;b /?../../a /?%2e%2e%2f%00 /?a?b /?" /?a\\b /?http://a/ /?x=__proto__ /?a=b=c /?&& /?+',
  "/?%20",
);

/** Base path, path, and both joined; after TestJoinURLPath of Go's httputil/reverseproxy_test.go. */
export const joins: readonly (readonly [basePath: string, path: string, joined: string])[] = [
  ["", "/", "/"],
  ["/", "/", "/"],
  ["/", "/a", "/a"],
  ["/v1", "/", "/v1/"],
  ["/v1", "/?a", "/v1/?a"],
  ["/v1", "/models", "/v1/models"],
  ["/v1/", "/models", "/v1/models"],
  ["/v1", "/models/", "/v1/models/"],
  ["/v1", "/v1/models", "/v1/v1/models"],
  ["/v1", "//a", "/v1//a"],
  ["/a/b", "/c?d=/e", "/a/b/c?d=/e"],
];
