import { expect, test } from "vitest";
import { definePlugin, type Exchange, type HookMap, type Plugin, type Setup } from "plugboard";
import { testObserver } from "plugboard/testing";

type Write = (line: string) => void;
type Create = (write: Write) => Plugin;

const page = "/suite-page";

function observing(setup: (write: Write, proxy: Setup) => HookMap): Create {
  return (write) => definePlugin({ name: "observing", setup: (proxy) => setup(write, proxy) })();
}

/** Does what is asked in the `end` hook, and lets no failure of the destination out. */
function logging(line: (x: Exchange) => string): Create {
  return ending(
    (write, x) =>
      void Promise.resolve(line(x))
        .then(write)
        .catch(() => undefined),
  );
}

function ending(end: (write: Write, x: Exchange) => void): Create {
  return observing((write) => ({
    end(x) {
      end(write, x);
      return undefined;
    },
  }));
}

const clean = (text: string): string => JSON.stringify(text.replace(/[^ -~]/g, "").slice(0, 100));

/** The smallest observer that is right: a line for each exchange, and a page with a count. */
const plain = observing((write, proxy) => {
  let count = 0;
  proxy.route("GET", page, () => ({ count }));
  return {
    end(x, outcome) {
      count += 1;
      void Promise.resolve(`${clean(x.path)} ${clean(x.model ?? "")} ${outcome.status}`)
        .then(write)
        .catch(() => undefined);
      return undefined;
    },
  };
});

/** A page that shows what it is given of each exchange. */
function showing(shown: string[], what: (x: Exchange) => string): Create {
  return observing((_write, proxy) => {
    proxy.route("GET", page, () => ({ shown }));
    return {
      end(x) {
        shown.push(what(x));
        return undefined;
      },
    };
  });
}

const writers: Write[] = [];

const changes = "changes no response";
const fails = "keeps it from clients when its destination fails";
const throws = "throws nothing, however an exchange ends";
const secrets = "tells no secrets";
const lines = "writes lines that are one line, have no control characters and are at most 4 KiB";
const apart = "two instances share nothing";

const faults: readonly [string, string, Create][] = [
  ["marks responses", changes, observing(() => ({ request: (x) => void x.node.res.setHeader("x-observed", "1") }))],
  [
    "takes a header away",
    changes,
    observing(() => ({ upstreamResponse: (_x, head) => void delete head.headers.etag })),
  ],
  ["answers by itself", changes, observing(() => ({ error: () => ({ status: 500 }) }))],
  ["writes where a throw is an answer", fails, observing((write) => ({ request: (x) => write(clean(x.path)) }))],
  ["waits for its destination", fails, observing((write) => ({ inspect: async (x) => write(clean(x.path)) }))],
  ["needs a target", throws, ending((_write, x) => void clean((x.target as { id: string }).id))],
  ["needs a route", throws, ending((_write, x) => void clean((x.route as { name: string }).name))],
  ["logs headers", secrets, logging((x) => clean(x.headers.authorization ?? ""))],
  ["logs a name that is a key", secrets, logging((x) => clean(String(x.headers["x-api-key"])))],
  ["logs cookies", secrets, logging((x) => clean(x.headers.cookie ?? ""))],
  ["logs queries", secrets, logging((x) => clean(x.search))],
  ["logs bodies", secrets, logging((x) => clean(Buffer.from(x.body ?? []).toString()))],
  ["shows headers", secrets, showing([], (x) => clean(x.headers.authorization ?? ""))],
  ["logs models as they are", lines, logging((x) => (x.model ?? "").slice(0, 100))],
  ["logs user agents as they are", lines, logging((x) => (x.headers["user-agent"] ?? "").slice(0, 100))],
  ["logs JSON as JSON.stringify makes it", lines, logging((x) => JSON.stringify((x.model ?? "").slice(0, 100)))],
  ["logs all of a model", lines, logging((x) => (x.model ?? "").replace(/[^ -~]/g, "?"))],
  ["keeps its state beside its instances", apart, showing([], (x) => x.model ?? "")],
  [
    "writes to all there are",
    apart,
    observing((write) => {
      writers.push(write);
      return {
        end() {
          for (const each of writers) each("ended");
          return undefined;
        },
      };
    }),
  ],
];

function casesOf(create: Create): Map<string, () => unknown> {
  const cases = new Map<string, () => unknown>();
  testObserver({ test: (name, run) => cases.set(name, run), create, pages: [page] });
  return cases;
}

testObserver({ test: (name, run) => test(`a plain observer ${name}`, run), create: plain, pages: [page] });

test.each(faults)("a plugin that %s does not pass: %s", async (_fault, law, create) => {
  await expect(casesOf(create).get(law)?.()).rejects.toThrow();
});

test("every law has a plugin above that breaks it", () => {
  const broken = new Set(faults.map(([, law]) => law));
  expect([...casesOf(plain).keys()].toSorted()).toEqual([...broken].toSorted());
});
