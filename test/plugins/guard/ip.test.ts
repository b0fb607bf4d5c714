import { describe, expect, test } from "vitest";
import { ip } from "plugboard/plugins/guard/ip";
import { testPlugin } from "plugboard/testing";
import { testGuard } from "../../../core/testing/guard.ts";
import { type GuardRequest, withGuard } from "../../../core/testing/guard-rig.ts";

const from = (address: string): GuardRequest => ({ headers: { "x-forwarded-for": address } });

testPlugin({
  test,
  create: () => ip({ deny: ["192.0.2.0/24"] }),
  badOptions: [
    { options: {}, says: "Expected ranges to allow or to deny" },
    { options: { allow: [] }, says: "allow: Expected at least one address or range" },
    { options: { allow: ["10.0.0.0/33"] }, says: "allow.0: Expected an address or a CIDR range" },
    { options: { deny: ["localhost"] }, says: "deny.0: Expected an address or a CIDR range" },
  ],
});

describe("allow", () => {
  testGuard({
    test,
    create: () => ip({ allow: ["198.51.100.0/24", "2001:db8::/32"] }),
    passes: [from("198.51.100.7"), from("2001:db8::1"), from("192.0.2.1, 198.51.100.9")],
    refuses: [
      { ...from("192.0.2.77"), code: "forbidden" },
      { ...from("2001:db9::1"), code: "forbidden" },
      { ...from("198.51.100.9, 192.0.2.1"), code: "forbidden" },
    ],
    secrets: ["192.0.2.77"],
  });
});

describe("deny", () => {
  testGuard({
    test,
    create: () => ip({ allow: ["0.0.0.0/0"], deny: ["192.0.2.0/24", "203.0.113.9"] }),
    passes: [from("198.51.100.7"), from("203.0.113.8"), {}],
    refuses: [
      { ...from("192.0.2.255"), code: "forbidden" },
      { ...from("203.0.113.9"), code: "forbidden" },
    ],
  });
});

test.each([
  ["::ffff:192.0.2.1", 403],
  ["::ffff:c000:201", 403],
  ["::ffff:198.51.100.1", 200],
  ["2001:db8::1", 403],
  ["2001:DB8:0:0::1", 403],
  ["2001:db9::1", 200],
])("sees that %s is answered %i where its range is denied", (address, status) =>
  withGuard(
    () => [ip({ deny: ["192.0.2.0/24", "2001:db8::/32"] })],
    async ({ ask }) => expect((await ask(from(address))).status).toBe(status),
  ),
);

test("a request without an address is in no range", () =>
  withGuard(
    () => [ip({ allow: ["0.0.0.0/0", "::/0"] })],
    async ({ proxy }) => {
      const { status } = await proxy.fetch(new Request("http://proxy/"));
      expect(status).toBe(403);
    },
  ));
