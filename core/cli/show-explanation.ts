import { colors } from "consola/utils";
import type { CandidateExplanation, Explanation } from "../explain/explanation.ts";
import { showHooks } from "./show-hooks.ts";

/** What a request would do, as text: its phases, the candidates, the pick, the request that the upstream would get. */
export function showExplanation(explanation: Explanation): string {
  const { request, steps, route, candidates, hooks } = explanation;
  const blocks = [
    `${colors.bold(`${request.method} ${request.path}`)}${request.model === undefined ? "" : `  ${colors.dim("model")} ${request.model}`}`,
    section(
      "phases",
      steps.map(({ phase, note }) => `${colors.dim(phase.padEnd(16))} ${note}`),
    ),
    section(
      "route",
      route && [
        `${colors.bold(route.name)}  ${colors.dim("pool")} ${route.pool}  ${colors.dim("selector")} ${route.selector}`,
      ],
    ),
    section("candidates", showCandidates(candidates)),
    section("attempts", showAttempts(explanation)),
    section("distribution, one request after the other", showDistribution(explanation)),
    section("upstream gets", showUpstream(explanation)),
    section("answer", showReply(explanation)),
    `${heading("hooks, in the order they run")}\n${showHooks(hooks)}`,
  ];
  return `\n${blocks.filter((block) => block !== "").join("\n\n")}\n\n`;
}

function heading(title: string): string {
  return colors.cyan(title);
}

function section(title: string, lines: readonly string[] | undefined): string {
  return lines === undefined || lines.length === 0
    ? ""
    : `${heading(title)}\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

function showCandidates(candidates: readonly CandidateExplanation[]): string[] {
  const width = Math.max(0, ...candidates.map(({ url }) => url.length));
  return candidates.map(({ id, url, model, kept, reason, score }) => {
    const asked = model === undefined ? "" : ` ${colors.dim("as")} ${model}`;
    const mark = kept ? colors.green("✔") : colors.red("✖");
    const name = id === url ? "" : colors.dim(` ${id} `);
    const points = score === undefined ? "" : ` ${colors.dim("score")} ${Number(score.toPrecision(4))}`;
    return `${mark} ${url.padEnd(width)} ${name}${asked}${points} ${kept ? reason : colors.dim(reason)}`.trimEnd();
  });
}

/** Ids as the candidates have them, with the URL where the id is another. */
function showAttempts({ attempts, candidates }: Explanation): string[] {
  const urls = new Map(candidates.map(({ id, url }) => [id, url]));
  return attempts.map((id, index) => {
    const url = urls.get(id);
    const name = url === undefined || url === id ? id : `${id} ${colors.dim(url)}`;
    return `${index + 1}. ${name}${index === 0 ? "" : colors.dim("  if the one before fails")}`;
  });
}

function showDistribution({ distribution }: Explanation): string[] {
  const counts = Object.entries(distribution ?? {});
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const width = Math.max(0, ...counts.map(([id]) => id.length));
  return counts.map(([id, count]) => {
    const share = (count / total) * 100;
    const bar = colors.green("█".repeat(Math.round(share / 4)));
    return `${id.padEnd(width)} ${String(count).padStart(String(total).length)}  ${share.toFixed(1).padStart(5)} %  ${bar}`;
  });
}

function showUpstream({ upstream }: Explanation): string[] {
  if (upstream === undefined) return [];
  const headers = Object.entries(upstream.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [`${colors.dim(`${name}:`)} ${Array.isArray(value) ? value.join(", ") : value}`],
  );
  return [
    colors.bold(`${upstream.method} ${upstream.url}`),
    ...headers,
    ...(upstream.body === undefined ? [] : ["", ...upstream.body.split("\n")]),
  ];
}

function showReply({ reply }: Explanation): string[] {
  if (reply === undefined) return [];
  return [
    `${colors.bold(String(reply.status))} ${reply.code ?? ""}`.trimEnd(),
    ...(reply.body === "" ? [] : reply.body.split("\n")),
  ];
}
