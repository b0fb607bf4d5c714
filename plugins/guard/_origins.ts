/** Which origins are meant by a list of them. */
export interface OriginRule {
  /** False: all of them, so that answers do not differ. */
  readonly varies: boolean;
  allows(origin: string): boolean;
}

/** `https://app.example.com`, or `https://*.example.com`; as a browser writes it, lower-case and without a default port. */
export function isOrigin(text: string): boolean {
  const plain = text.replace("://*.", "://any.");
  try {
    const { origin } = new URL(plain);
    return origin === plain && origin !== "null" && !plain.includes("*");
  } catch {
    return false; // Not a URL, so not an origin.
  }
}

export function originRule(origins: "*" | readonly string[]): OriginRule {
  if (origins === "*") return { varies: false, allows: () => true };
  const exact = new Set(origins.filter((origin) => !origin.includes("*")));
  const below = origins.filter((origin) => origin.includes("*")).map(belowRule);
  return { varies: true, allows: (origin) => exact.has(origin) || below.some((matches) => matches(origin)) };
}

/** A name is letters, digits, dashes and dots: nothing that ends a host before the end that is looked at. */
function belowRule(pattern: string): (origin: string) => boolean {
  const [start = "", end = ""] = pattern.split("*");
  return (origin) =>
    origin.startsWith(start) &&
    origin.endsWith(end) &&
    /^[a-z\d-]+(?:\.[a-z\d-]+)*$/.test(origin.slice(start.length, -end.length));
}
