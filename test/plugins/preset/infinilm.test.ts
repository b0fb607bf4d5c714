import { createConsola } from "consola";
import { createProxy, type Plugin } from "plugboard";
import { checkConfig } from "../../../core/check.ts";
import { infinilm, type InfinilmOptions } from "plugboard/plugins/preset/infinilm";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { stats } from "plugboard/plugins/stats/stats";
import { describe, expect, onTestFinished, test } from "vitest";
import { createProject } from "../../core/config/_project.ts";

const quiet = { mode: "test", log: createConsola({ level: -999 }) } as const;

const names = (plugins: readonly Plugin[]): string[] => plugins.map(({ name }) => name);

test("is a list of plugins, the first with its name and its options", () => {
  expect(names(infinilm())).toEqual([
    "infinilm",
    "active-health",
    "failed-connects",
    "fallback",
    "model",
    "models",
    "sse",
    "openai-errors",
    "infinilm-status",
  ]);
  expect(names(infinilm({ registryUrl: "http://127.0.0.1:18000" }))).toContain("timed-targets");
});

test("loads and links, with a registry that nobody has started yet", async () => {
  for (const options of [{}, { registryUrl: "http://127.0.0.1:9" }])
    await expect(checkConfig({ plugins: [infinilm(options)] })).resolves.toBeDefined();
});

test("leaves room for what a config has beside it", async () => {
  const { plugins } = await checkConfig({ plugins: [roundRobin(), infinilm(), stats({ prefix: "/_proxy" })] });
  expect(plugins.length).toBe(11);
});

async function refusal(options: unknown): Promise<string> {
  return createProxy({ plugins: [infinilm(options as InfinilmOptions)] }).then(
    async (proxy) => {
      await proxy.close();
      return "";
    },
    (error: Error) => error.message,
  );
}

test.each([
  [{ registryUrl: "127.0.0.1:18000" }, "registryUrl: Expected a URL such as http://127.0.0.1:18000"],
  [{ registrySyncInterval: 0 }, "registrySyncInterval: Expected 1 millisecond or more"],
  [{ removalGracePeriod: -1 }, "removalGracePeriod: Expected 0 or more milliseconds"],
  [{ healthInterval: 1.5 }, "healthInterval: Expected whole milliseconds"],
  [{ healthTimeout: "5" }, "healthTimeout: "],
  [{ maxErrors: 0 }, "maxErrors: Expected 1 or more"],
  [{ proxyTimeout: -1 }, "proxyTimeout: Expected 0 or more milliseconds"],
  [{ cacheTypeThreshold: -1 }, "cacheTypeThreshold: Expected bytes, 0 or more"],
  [
    { registryUrl: "http://me:canary@127.0.0.1" },
    "registryUrl: Expected a URL such as http://127.0.0.1:18000, without",
  ],
  [{ allow: ["here"] }, "allow.0: Expected an address, a CIDR range"],
  [{ allow: [] }, "allow: Expected one range or more"],
  [{ staticServices: 1 }, "staticServices: Expected the path of a JSON file, or a list of services"],
  [{ staticServices: "" }, "staticServices: Expected the path of a JSON file, or a list of services"],
  [{ helthInterval: 1 }, 'did you mean "healthInterval"?'],
])("refuses %j by the option's own name, and once", async (options, text) => {
  const message = await refusal(options);
  expect(message).toContain("plugins[0] infinilm: ");
  expect(message).toContain(text);
  expect(message.split("\n")).toHaveLength(1);
  expect(message).not.toContain("canary");
});

describe("static services", () => {
  interface View {
    readonly id: string;
    readonly url: string;
    readonly weight: number;
    readonly models: readonly string[];
    readonly meta: object;
  }

  async function targets(options: InfinilmOptions): Promise<readonly View[]> {
    const proxy = await createProxy({ plugins: [infinilm(options)] }, quiet);
    onTestFinished(() => proxy.close());
    const [pool] = proxy.pools();
    return (pool?.snapshot.all ?? []).map(({ id, origin, weight, models, meta }) => {
      return { id, url: origin, weight, models, meta };
    });
  }

  const list = [
    { name: "one", host: "127.0.0.1", port: 9, weight: 3, metadata: { type: "openai-api", models: ["m", 1] } },
    { host: "::1", port: 10 },
  ];

  test.each([
    ["a list", list],
    ["services", { services: list }],
    ["static_services.services", { static_services: { services: list } }],
  ])("stand in a file as %s", async (_form, content) => {
    const project = await createProject({ "services.json": JSON.stringify(content) });
    expect(await targets({ staticServices: project.path("services.json") })).toEqual([
      {
        id: "one",
        url: "http://127.0.0.1:9",
        weight: 3,
        models: ["m"],
        meta: { type: "openai-api", models: ["m", 1], service: { name: "one", host: "127.0.0.1", port: 9 } },
      },
      {
        id: "service_2",
        url: "http://[::1]:10",
        weight: 1,
        models: [],
        meta: { service: { name: "service_2", host: "::1", port: 10 } },
      },
    ]);
  });

  test("may stand in the config, and a name may have spaces", async () => {
    expect(await targets({ staticServices: [{ name: "GPU 1", host: "localhost", port: 9 }] })).toEqual([
      {
        id: "GPU_1",
        url: "http://localhost:9",
        weight: 1,
        models: [],
        meta: { service: { name: "GPU 1", host: "localhost", port: 9 } },
      },
    ]);
  });

  test("wait for an answer as long as the preset says", async () => {
    const proxy = await createProxy({ plugins: [infinilm({ staticServices: list, proxyTimeout: 7_000 })] }, quiet);
    onTestFinished(() => proxy.close());
    expect(proxy.pools()[0]?.snapshot.all[0]).toMatchObject({
      timeouts: { connect: 5_000, headers: 7_000, idle: 7_000 },
    });
  });

  test("are all looked at before any is refused, by file, place and value, with what to do", async () => {
    const bad = [
      { name: "", host: "http://gpu", port: "80" },
      { host: "gpu:80", port: 1, weight: -1 },
      { name: "a", host: "gpu", port: 65_536, metadata: [] },
      { name: "b", host: "gpu" },
      { name: "c", host: "gpu", port: 1 },
      { name: "c", host: "gpu", port: 2 },
      "gpu",
    ];
    const project = await createProject({ "services.json": JSON.stringify({ services: bad }) });
    const message = await refusal({ staticServices: project.path("services.json") });
    for (const text of [
      "services.json: services.0.name: Expected a name of 1 to 200 characters, received ''",
      "services.json: services.0.host: Expected a host name or an IP address, received 'http://gpu'; write it without",
      "services.json: services.0.port: Expected a port from 1 to 65535, received '80'; write it as a number",
      "services.json: services.1.host: Expected a host name or an IP address, received 'gpu:80'",
      "services.json: services.1.weight: Expected a number from 0 to 1000000, received -1",
      "services.json: services.2.port: Expected a port from 1 to 65535, received 65536",
      "services.json: services.2.metadata: Expected an object, received []",
      "services.json: services.3.port: Expected a port from 1 to 65535, and it is missing",
      "services.json: services.5.name: The name is taken by services.4 already, received 'c'",
      "services.json: services.6: Expected a service, received 'gpu'",
    ])
      expect(message).toContain(text);
    expect(message.split("\n")).toHaveLength(10);
    expect(await refusal({ staticServices: bad.slice(3, 4) })).toContain("infinilm: staticServices.0.port: Expected");
  });

  test("that are no list, no JSON or no file are refused by the file's name", async () => {
    const project = await createProject({
      "empty.json": "{}",
      "text.json": "services",
      "deep.json": '{"static_services":{"services":{}}}',
    });
    const of = (name: string): Promise<string> => refusal({ staticServices: project.path(name) });
    expect(await of("empty.json")).toContain("empty.json: services: Expected a list of services");
    expect(await of("deep.json")).toContain("deep.json: static_services.services: Expected a list of services");
    expect(await of("text.json")).toContain("text.json is not JSON");
    expect(await of("none.json")).toContain("none.json cannot be read: ENOENT");
  });

  test("are read anew with each reload", async () => {
    const project = await createProject({ "services.json": JSON.stringify(list) });
    const config = { plugins: [infinilm({ staticServices: project.path("services.json") })] };
    const proxy = await createProxy(config, quiet);
    onTestFinished(() => proxy.close());
    expect(proxy.files()).toEqual([project.path("services.json")]);
    await project.write("services.json", JSON.stringify(list.slice(0, 1)));
    await proxy.reload(config);
    expect(proxy.pools()[0]?.snapshot.all).toHaveLength(1);
    await project.write("services.json", "[");
    await expect(proxy.reload(config)).rejects.toThrow("services.json is not JSON");
    expect(proxy.pools()[0]?.snapshot.all).toHaveLength(1);
  });
});
