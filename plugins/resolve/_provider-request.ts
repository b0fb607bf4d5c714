import { type Exchange, isJson, ProxyError, type Slot, type Target, type UpstreamRequest } from "../../core/index.ts";
import { createBodyEdit } from "./_body-edit.ts";
import { dialectOf } from "./_dialect.ts";
import { createCredentials } from "./_provider-credentials.ts";
import type { Provider, ProvidersOptions } from "./_provider-options.ts";
import { createBase } from "./_provider-path.ts";
import { modelsOf, type ProviderTarget } from "./_provider-targets.ts";

type Edit = (body: Uint8Array) => Uint8Array;

/** Makes of a client's request what the provider is to get. */
export function createRewrite(
  { name, provider, bases }: ProviderTarget,
  upstreamModel: Slot<string>,
): (x: Exchange, target: Target) => void {
  const toPath = createPaths(bases);
  const setCredentials = provider.auth && createCredentials(provider.auth);
  const headers = Object.entries(provider.headers ?? {}).map(([each, value]) => [each.toLowerCase(), value] as const);
  const editFor = createEdits(provider);

  return (x, target) => {
    const { upstream } = x;
    const path = toPath(x, target.basePath);
    if (path !== upstream.path) {
      upstream.path = path;
      x.notes?.push(`providers: the path is ${path.split("?", 1)[0]} at '${name}'`);
    }
    if (setCredentials !== undefined) {
      setCredentials(upstream);
      x.notes?.push(`providers: '${name}' gets credentials of its own in place of the client's`);
    }
    for (const [each, value] of headers) upstream.headers[each] = value;
    const edit = editFor(target.model ?? upstreamModel.get(x) ?? x.model);
    if (edit !== undefined) editBody(x, edit, name);
  };
}

/** Another plugin may have put a path of its own in the place of the target's; that is left alone. */
function createPaths(bases: ProviderTarget["bases"]): (x: Exchange, basePath: string) => string {
  const known = new Map<string, (path: string) => string>();
  return ({ upstream: { path }, path: asked }, basePath) => {
    if (!path.startsWith(basePath)) return path;
    const base = bases[dialectOf(asked)] ?? basePath;
    if (base === "") return path.slice(basePath.length);
    let join = known.get(base);
    if (join === undefined) known.set(base, (join = createBase(base)));
    return join(path.slice(basePath.length));
  };
}

/** One edit for all models of which nothing special is said, and one for each of the others. */
function createEdits(provider: Provider): (model: string | undefined) => Edit | undefined {
  const { extraBody } = provider;
  const any = extraBody && createBodyEdit({ set: extraBody });
  const special = new Map<string, Edit>();
  for (const [model, { extraBody: own }] of modelsOf(provider)) {
    if (own !== undefined) special.set(model, createBodyEdit({ set: { ...extraBody, ...own } }));
  }
  return (model) => (model === undefined ? any : (special.get(model) ?? any));
}

/** Whether fields are added to bodies, and whether the model decides on them. */
export function needsOf(options: ProvidersOptions): { readonly body: boolean; readonly model: boolean } {
  const all = Object.values(options);
  const model = all.some((provider) => modelsOf(provider).some(([, { extraBody }]) => extraBody !== undefined));
  return { model, body: model || all.some(({ extraBody }) => extraBody !== undefined) };
}

function editBody(x: Exchange, edit: Edit, name: string): void {
  const { upstream } = x;
  const { body } = upstream;
  if (body === null || body === "stream" || body.length === 0 || !isEditable(upstream)) return;
  const edited = edit(body);
  if (edited === body) return;
  upstream.body = edited;
  x.notes?.push(`providers: the body gets the extra fields of '${name}'`);
}

function isEditable({ method, headers }: UpstreamRequest): boolean {
  if (method !== "POST" && method !== "PUT" && method !== "PATCH") return false;
  if (!isJson(String(headers["content-type"] ?? ""))) return false;
  const encoding = String(headers["content-encoding"] ?? "identity").toLowerCase();
  if (encoding === "" || encoding === "identity") return true;
  const message = "A JSON body has fields added here and cannot be compressed; send it without Content-Encoding.";
  throw new ProxyError("unsupported_encoding", message);
}
