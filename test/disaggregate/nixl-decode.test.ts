import { describe, expect, test } from "vitest";
import { ask, type Ask, clientBody, twoPhases, withMember } from "./ask.ts";
import { leaseDuration } from "./leases.ts";
import { nixlStage, prefilled, told } from "./nixl-stage.ts";

test("both phases done right bring no complaint, and the handle is pulled", async () => {
  const it = await nixlStage();
  const { headers, body, requestId } = twoPhases(it.room);
  const handle = await prefilled(it, headers);
  const answer = await ask(it.decode, { headers, body: withMember(body, `"kv_transfer_params":${handle}`) });
  it.room.expectNoComplaints();
  expect(JSON.parse(answer)).toMatchObject({ choices: [{ text: "DDD" }] });
  expect(it.room.leases.all).toMatchObject([{ state: "pulled", requestId }]);
  expect(it.room.events.map(({ worker, what }) => `${worker} ${what}`)).toEqual([
    "P arrived",
    "P handed out",
    "P answered",
    "D arrived",
    "D pulled",
    "D answered",
  ]);
  expect(it.prefill.load).toEqual({ now: 0, most: 1 });
  expect(it.decode.received).toMatchObject([{ method: "POST", path: "/v1/completions", requestId, end: "answered" }]);
});

describe("a decode worker complains", () => {
  const body = (handle: string, own = clientBody): string => withMember(own, `"kv_transfer_params":${handle}`);

  const wrong: readonly [name: string, spoil: (handle: string) => Partial<Ask>, complaint: string][] = [
    [
      "of a handle that was parsed and spelt anew",
      (handle) => ({ body: body(JSON.stringify(JSON.parse(handle))) }),
      'D kv_transfer_params: {"do_remote_prefill":true',
    ],
    [
      "of a handle with one space less",
      (handle) => ({ body: body(handle.replace("{ ", "{")) }),
      "D kv_transfer_params: {",
    ],
    [
      "of a handle that nobody handed out",
      () => ({ body: body('{"remote_host":"10.0.0.1"}') }),
      'D kv_transfer_params: {"remote_host"',
    ],
    ["when the handle does not come", () => ({}), "D kv_transfer_params: nothing"],
    ["of two handles", (handle) => ({ body: body(handle, body("{}")) }), "D kv_transfer_params: {} and {"],
    [
      "of another path",
      (handle) => ({ path: "/v1/chat/completions", body: body(handle) }),
      "D path: /v1/chat/completions",
    ],
    [
      "of another request id",
      (handle) => ({ body: body(handle), headers: { "x-request-id": "00000000-0000-4000-8000-000000000000" } }),
      "D x-request-id: 00000000",
    ],
    [
      "of the limits of the first phase",
      (handle) => ({
        body: body(handle, clientBody.replace('"max_tokens":3', '"max_tokens":1').replace("false", "true")),
      }),
      'D max_tokens: "max_tokens":1',
    ],
    [
      "of a stream that nobody wanted",
      (handle) => ({ body: body(handle, clientBody.replace("false", "true")) }),
      'D stream: "stream":true',
    ],
    [
      "of a bootstrap room",
      (handle) => ({ body: withMember(body(handle), '"bootstrap_room":1') }),
      "D bootstrap_room: 1",
    ],
    [
      "of a header that names a prefill worker",
      (handle) => ({ body: body(handle), headers: { "x-prefiller-url": "http://10.0.0.1" } }),
      "D x-prefiller-url: http://10.0.0.1",
    ],
  ];
  test.each(wrong)("%s", async (_, spoil, complaint) => {
    const it = await nixlStage();
    const phases = twoPhases(it.room);
    const { headers, ...asked } = spoil(await prefilled(it, phases.headers));
    await ask(it.decode, { body: phases.body, ...asked, headers: { ...phases.headers, ...headers } });
    expect(told(it.room).find((each) => each.includes(complaint))).toBeDefined();
  });

  test("of a handle that was pulled before", async () => {
    const it = await nixlStage();
    const { headers } = twoPhases(it.room);
    const second = { headers, body: body(await prefilled(it, headers)) };
    await ask(it.decode, second);
    await ask(it.decode, second);
    expect(told(it.room)).toEqual(["D kv_transfer_params: one pulled"]);
  });

  test("of a handle past its lease", async () => {
    let now = 0;
    const it = await nixlStage({ now: () => now });
    const { headers } = twoPhases(it.room);
    const second = { headers, body: body(await prefilled(it, headers)) };
    now = leaseDuration + 1;
    await ask(it.decode, second);
    expect(told(it.room)).toEqual(["D kv_transfer_params: one 1 ms past it"]);
  });
});
