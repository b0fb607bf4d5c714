import type { OptionProblem, TargetSpec } from "../../core/index.ts";

/** One of the services that InfiniLM's router is given in a file. */
export interface StaticService {
  /** @default service_1, service_2 and so on, by its place */
  name?: string;
  host: string;
  port: number;
  /** @default 1 */
  weight?: number;
  /** `models`, `models_list`, `type` and `cache_type` mean something here. @default none */
  metadata?: Readonly<Record<string, unknown>>;
}

export interface ReadServices {
  readonly targets: readonly TargetSpec[];
  /** All that is wrong, with paths such as `services.0.port`. */
  readonly problems: readonly OptionProblem[];
  /** Fields that mean nothing here, as sentences. */
  readonly ignored: readonly string[];
}

const fields: readonly string[] = ["name", "host", "port", "weight", "metadata"];

/** Takes a list, `{ services }` or `{ static_services: { services } }`; checks every entry before it says what is wrong. */
export function toStaticTargets(input: unknown): ReadServices {
  const { list, path } = findList(input);
  if (!Array.isArray(list)) {
    const message = "Expected a list of services, or one in services or static_services.services";
    return { targets: [], ignored: [], problems: [{ path, message, received: list }] };
  }
  const problems: OptionProblem[] = [];
  const ignored: string[] = [];
  const places = new Map<string, string>();
  const targets: TargetSpec[] = [];
  for (const [index, entry] of (list as readonly unknown[]).entries()) {
    const place = [path, index].filter((part) => part !== "").join(".");
    const found = findProblems(entry, place);
    problems.push(...found);
    if (!isRecord(entry)) continue;
    ignored.push(...unknownFields(entry).map((name) => `"${name}" of ${place} is ignored`));
    if (found.length > 0) continue;
    const target = toTarget(entry as unknown as StaticService, index);
    const { id = "" } = target;
    const taken = places.get(id);
    if (taken !== undefined) problems.push(takenName(place, id, taken));
    else targets.push(target);
    places.set(id, taken ?? place);
  }
  return { targets, problems, ignored };
}

function findList(input: unknown): { list: unknown; path: string } {
  if (!isRecord(input)) return { list: input, path: "" };
  const { services, static_services: inner } = input;
  if (services !== undefined || inner === undefined) return { list: services, path: "services" };
  return { list: isRecord(inner) ? inner["services"] : inner, path: "static_services.services" };
}

interface Rule {
  readonly field: keyof StaticService;
  readonly message: string;
  readonly fix: string;
  passes(value: unknown): boolean;
}

const rules: readonly Rule[] = [
  {
    field: "name",
    message: "Expected a name of 1 to 200 characters",
    fix: "leave it out to be given one",
    passes: (value) => value === undefined || (typeof value === "string" && /^.{1,200}$/su.test(value)),
  },
  {
    field: "host",
    message: "Expected a host name or an IP address",
    fix: 'write it without scheme and port, as in "127.0.0.1"',
    passes: isHost,
  },
  {
    field: "port",
    message: "Expected a port from 1 to 65535",
    fix: "write it as a number, without quotes",
    passes: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535,
  },
  {
    field: "weight",
    message: "Expected a number from 0 to 1000000",
    fix: "leave it out for 1",
    passes: (value) => value === undefined || (typeof value === "number" && value >= 0 && value <= 1e6),
  },
  {
    field: "metadata",
    message: "Expected an object",
    fix: 'write it as in { "models": ["qwen3-8b"] }',
    passes: (value) => value === undefined || isRecord(value),
  },
];

function findProblems(entry: unknown, place: string): OptionProblem[] {
  if (!isRecord(entry)) {
    const fix = 'write it as in { "name": "one", "host": "127.0.0.1", "port": 8001 }';
    return [{ path: place, message: "Expected a service", received: entry, fix }];
  }
  const broken = rules.filter(({ field, passes }) => !passes(entry[field]));
  return broken.map(({ field, message, fix }) => ({
    path: `${place}.${field}`,
    message: entry[field] === undefined ? `${message}, and it is missing` : message,
    fix,
    ...(entry[field] !== undefined && { received: entry[field] }),
  }));
}

function isHost(value: unknown): boolean {
  if (typeof value !== "string" || /[\s/?#@\\]/.test(value) || /^\[.*[^\]]$/.test(value)) return false;
  return URL.canParse(`http://${bracketed(value)}/`);
}

function unknownFields(entry: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(entry).filter((name) => !fields.includes(name));
}

function takenName(place: string, id: string, taken: string): OptionProblem {
  return {
    path: `${place}.name`,
    message: `The name is taken by ${taken} already`,
    received: id,
    fix: "give each service a name of its own",
  };
}

function toTarget({ name, host, port, weight, metadata = {} }: StaticService, index: number): TargetSpec {
  const own = name ?? `service_${index + 1}`;
  const { models } = metadata;
  return {
    // Ids have no spaces; what is shown is the name itself.
    id: own.replace(/[\u0000-\u0020\u007f]/gu, "_"),
    url: `http://${bracketed(host)}:${port}`,
    ...(weight !== undefined && { weight }),
    models: Array.isArray(models) ? models.filter((model) => typeof model === "string") : [],
    meta: { ...metadata, service: { name: own, host: host.replace(/^\[|\]$/g, ""), port } },
  };
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
