import { expect, test } from "vitest";
import { giveBack, openBooks, type Permit, placesIn, take } from "../../../plugins/load/_concurrency-places.ts";

test("what nobody has or waits for is forgotten, and only that", () => {
  const { clients, permits } = openBooks();
  const permit = (): Permit => ({ claims: [{ places: placesIn(clients, "a"), limit: 1, of: "client" }], held: false });
  const first = permit();
  take(first);
  const refused = permit();
  giveBack(first, permits);
  expect(clients.size).toBe(0);
  const second = permit();
  take(second);
  giveBack(refused, permits);
  expect(placesIn(clients, "a").taken).toBe(1);
  giveBack(second, permits);
  expect(clients.size).toBe(0);
});
