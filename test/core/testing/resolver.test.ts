import {
  type Awaitable,
  definePlugin,
  type HookMap,
  type Plugin,
  ProxyError,
  type Route,
  type Setup,
  type Target,
} from "plugboard";
import { alias } from "plugboard/plugins/resolve/alias";
import { model } from "plugboard/plugins/resolve/model";
import { describe, expect, test } from "vitest";
import { testResolver } from "plugboard/testing";
import { failures } from "./failures.ts";

const text = (body: unknown): string => Buffer.from(body as Uint8Array).toString();

/** A good resolver, and a plugin that spoils it. */
function spoiled(setup: (proxy: Setup) => Awaitable<HookMap | void>): Promise<string[]> {
  const spoiler = definePlugin({ name: "spoiler", setup });
  const create = (): Plugin => alias({ fast: { targets: [{ model: "qwen3-8b" }] } });
  return failures((run) =>
    testResolver({
      test: run,
      create,
      others: () => [spoiler()],
      name: "fast",
      upstreamModel: "qwen3-8b",
    }),
  );
}

const known = "sends a model it knows to a target, under the upstream's name";
const anew = "puts the name in for each attempt anew";
const many = "resolves each of many requests at once for itself";

describe("the suite fails a resolver that", () => {
  test("parses the body and writes it again", async () => {
    const failed = await spoiled(() => ({
      upstreamRequest: {
        after: ["alias"],
        handler(x) {
          x.upstream.body = Buffer.from(JSON.stringify(JSON.parse(text(x.upstream.body).replace("\ufeff", ""))));
        },
      },
    }));
    expect(failed).toEqual([
      "keeps every byte but the model's: numbers that no float holds",
      "keeps every byte but the model's: white space and order",
      "keeps every byte but the model's: escapes and characters beyond ASCII",
      "keeps every byte but the model's: an escaped key",
      "keeps every byte but the model's: the same model twice",
      "keeps every byte but the model's: a byte order mark",
    ]);
  });

  test("replaces the first occurrence of the name, wherever it is", async () => {
    const failed = await spoiled(() => ({
      upstreamRequest: {
        after: ["alias"],
        handler(x) {
          x.upstream.body = Buffer.from(text(x.body).replace('"fast"', '"qwen3-8b"'));
        },
      },
    }));
    expect(failed).toEqual([
      "keeps every byte but the model's: the same model twice",
      "keeps every byte but the model's: the name in other places",
      "knows a model however its letters are escaped",
    ]);
  });

  test("leaves the name as it is", async () => {
    const failed = await spoiled(() => ({
      upstreamRequest: {
        after: ["alias"],
        handler(x) {
          x.upstream.body = x.body ?? null;
        },
      },
    }));
    expect(failed).toEqual(expect.arrayContaining([known, anew, many]));
  });

  test("puts the name in for the first attempt only", async () => {
    const failed = await spoiled(() => ({
      upstreamRequest: {
        after: ["alias"],
        handler(x) {
          if (x.attempt > 1) x.upstream.body = x.body ?? null;
        },
      },
    }));
    expect(failed).toEqual([anew]);
  });

  test("throws at what it does not know", async () => {
    const failed = await spoiled(() => ({
      resolve(x) {
        if (x.model === "no-such-model") throw new Error("no such model");
      },
    }));
    expect(failed).toEqual(['does not know "no-such-model"', many]);
  });

  test("looks names up in a plain object", async () => {
    const failed = await spoiled((proxy) => {
      const routes: Record<string, Route> = { fast: proxy.createRoute({ name: "fast" }) };
      return { resolve: (x) => (x.model === undefined ? undefined : routes[x.model]) };
    });
    expect(failed).toEqual(expect.arrayContaining(['does not know "__proto__"', 'does not know "constructor"']));
  });

  test("ignores case", async () => {
    const failed = await spoiled(() => ({
      resolve(x) {
        if (x.model?.toLowerCase() === "fast") x.model = "fast";
      },
    }));
    expect(failed).toEqual(['does not know "FAST"']);
  });

  test("trims names", async () => {
    const failed = await spoiled(() => ({
      resolve(x) {
        x.model = x.model?.trim();
      },
    }));
    expect(failed).toEqual(['does not know "fast "', 'does not know " fast"']);
  });

  test("takes the last of several models, and believes every body", async () => {
    const failed = await spoiled(() => ({
      inspect: {
        before: ["alias"],
        handler(x) {
          x.model = x.json<{ model?: string }>()?.model ?? "fast";
        },
      },
      upstreamRequest: {
        before: ["alias"],
        handler(x) {
          x.upstream.body = null;
        },
      },
    }));
    expect(failed).toEqual(
      expect.arrayContaining(["refuses a body as invalid_json: a cut body", "refuses a JSON body that is compressed"]),
    );
  });

  test("looks into every body", async () => {
    const failed = await spoiled((proxy) => {
      proxy.needs({ body: 1 << 21 });
      return {
        inspect(x) {
          if (x.body !== undefined && !text(x.body).endsWith("}")) throw new ProxyError("invalid_json", "No.");
          x.model ??= x.json<{ model?: string }>()?.model;
        },
      };
    });
    expect(failed).toEqual(
      expect.arrayContaining(["does not look into the body of a GET", "does not look into a body that is not JSON"]),
    );
  });

  test("takes a nested model for the body's", async () => {
    const failed = await spoiled(() => ({
      inspect(x) {
        x.model ??= /"model":"(?<name>[^"]*)"/.exec(text(x.body ?? ""))?.groups?.name;
      },
    }));
    expect(failed).toContain("takes no nested model for the body's");
  });

  test("remembers the pool as it was", async () => {
    const failed = await spoiled((proxy) => {
      let old: readonly Target[] = [];
      const candidates = (targets: readonly Target[]): readonly Target[] =>
        (old = targets.length > 0 ? [...targets] : old);
      const route = proxy.createRoute({ name: "old", candidates });
      return { resolve: (x) => (x.model === "fast" ? route : undefined) };
    });
    expect(failed).toContain("follows the pool");
  });

  test("has state outside of its setup", async () => {
    let shared: Route | undefined;
    const failed = await spoiled((proxy) => {
      const own = proxy.createRoute({ name: "shared" });
      return {
        resolve: (x) => (x.model === "fast" ? (shared ??= own) : undefined),
      };
    });
    expect(failed).toContain("does not hear of another instance");
  });
});

test("the suite passes one that is not spoiled", async () => {
  expect(await spoiled(() => undefined)).toEqual([]);
  expect(await failures((run) => testResolver({ test: run, create: () => model(), name: "x" }))).toEqual([]);
});

test("the suite refuses a name that has no letter", async () => {
  expect(() => testResolver({ test: () => undefined, create: () => model(), name: "4-1" })).toThrow("no letter");
});
