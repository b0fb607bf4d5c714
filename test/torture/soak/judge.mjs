import { megabytes, quantile } from "../verdict.mjs";

/** The first samples are of a process that is still getting warm. */
const warmUp = 0.4;
/** Bytes per million requests; per reload, below which nothing can be told after so few. */
const mostSlope = 2 ** 20;
const mostOfReload = 2_048;

export function requestsOf(counts) {
  return Object.values(counts).reduce((sum, { sent }) => sum + sent, 0);
}

/** What the soak promises, each with the figure that shows whether it was kept. */
export function judge({ taken, counts, others, broken, before, after, left, reloaded, lives, seconds }) {
  const injected = (kind) => broken.reduce((sum, each) => sum + each[kind], 0);
  const { get, post, stream, long } = counts;
  const total = requestsOf(counts);
  const quiet = taken.filter(({ reloads }) => reloads <= 1);
  const used = quiet.slice(Math.floor(quiet.length * warmUp));
  const line = slopeOf(used.map(({ requests, heapUsed }) => [requests, heapUsed]));
  const [slope, error] = [line.slope * 1e6, line.error * 1e6];
  const heaps = used.map(({ heapUsed }) => heapUsed);
  const lag = quantile(
    taken.slice(1).map((sample) => sample.lag),
    0.5,
  );
  const row = (promise, kept, figure) => ({ promise, kept, figure });
  return [
    row(
      "No GET is lost, whatever its upstream does before the answer",
      get.refused + get.cut + get.lost === 0,
      `${get.refused + get.cut + get.lost} of ${get.sent} lost, ${get.left} left by their clients, ${injected("get")} cut upstream`,
    ),
    row(
      "No POST is lost but those that their upstream cut",
      post.refused <= injected("post") && post.cut + post.lost === 0,
      `${post.refused} of ${post.sent} told 502, ${post.cut + post.lost} lost, ${injected("post")} cut upstream`,
    ),
    row(
      "No stream is cut but those that their upstream cut",
      stream.cut <= injected("stream") && stream.refused + stream.lost === 0,
      `${stream.cut} of ${stream.sent} cut, ${stream.refused + stream.lost} lost, ${injected("stream")} cut upstream`,
    ),
    row(
      "A stream that goes on all the time is never cut",
      long.cut + long.refused + long.lost === 0 && long.sent > 0,
      `${long.cut + long.refused + long.lost} of ${long.sent} cut, over ${seconds} s and ${reloaded.taken} reloads`,
    ),
    row(
      "The only errors told are 502s",
      others.every(([status]) => status === 502) && lives,
      others.map(([status, count]) => `${status}: ${count}`).join(", ") || "none",
    ),
    row(
      "The heap after a collection grows by 1 MiB per million requests at most",
      used.length >= 5 && slope - 2 * error <= mostSlope,
      `${megabytes(slope)} per million, give or take ${megabytes(2 * error)}, over ${used.length} samples of ${megabytes(Math.min(...heaps))} to ` +
        `${megabytes(Math.max(...heaps))}; ${total} requests, ${Math.round(total / seconds)} a second`,
    ),
    row(
      "A reload leaves less than 2 KiB in the heap",
      left <= mostOfReload,
      `${(left / 1_024).toFixed(1)} KiB each, of many in a row`,
    ),
    row("Nothing is left under way", after.active <= 1, `${after.active - 1} exchanges besides the question`),
    row(
      "Descriptors are what they were",
      after.descriptors <= before.descriptors + 2,
      `${before.descriptors} before, ${after.descriptors} after ${Math.round(after.ms)} ms`,
    ),
    row(
      "Handles are what they were",
      after.handles <= before.handles + 2,
      `${before.handles} before, ${after.handles} after`,
    ),
    row(
      "Each reload is taken",
      reloaded.refused === 0 && reloaded.taken > 0,
      `${reloaded.taken} taken, ${reloaded.refused} refused; the event loop late by ${lag.toFixed(0)} ms at the 99th percentile`,
    ),
  ];
}

/** Of the line through these points that has the least squares. */
function slopeOf(points) {
  const mean = (index) => points.reduce((sum, point) => sum + point[index], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [px]) => sum + (px - x) ** 2, 0);
  const slope = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0) / spread;
  const rest = points.reduce((sum, [px, py]) => sum + (py - y - slope * (px - x)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (points.length - 2) / spread) };
}
