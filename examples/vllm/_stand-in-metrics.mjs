// The samples of vLLM that are read by who watches over it, in the text of Prometheus.

import { stepBuckets } from "./_stand-in-engine.mjs";

const reasons = ["stop", "length", "abort"];

export function toMetrics(engine, modelName, startedAt) {
  const { counts } = engine;
  const model = modelName.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const labels = `engine="0",model_name="${model}"`;
  const one = (name, value) => `${name}{${labels}} ${value}`;
  const buckets = stepBuckets.map((most, index) => {
    const le = most === Infinity ? "+Inf" : `${most}.0`;
    return `vllm:iteration_tokens_total_bucket{engine="0",le="${le}",model_name="${model}"} ${counts.buckets[index]}`;
  });
  return [
    ...head("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds."),
    `process_start_time_seconds ${startedAt / 1_000}`,
    ...head("vllm:num_requests_running", "gauge", "Number of requests in model execution batches."),
    one("vllm:num_requests_running", engine.running),
    ...head("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed."),
    one("vllm:num_requests_waiting", engine.waiting),
    ...head("vllm:prompt_tokens_total", "counter", "Number of prefill tokens processed."),
    one("vllm:prompt_tokens_total", counts.promptTokens),
    ...head("vllm:generation_tokens_total", "counter", "Number of generation tokens processed."),
    one("vllm:generation_tokens_total", counts.generatedTokens),
    ...head("vllm:request_success_total", "counter", "Count of successfully processed requests."),
    ...reasons.map(
      (reason) =>
        `vllm:request_success_total{engine="0",finished_reason="${reason}",model_name="${model}"} ` +
        `${counts.finished.get(reason) ?? 0}`,
    ),
    ...head("vllm:iteration_tokens_total", "histogram", "Histogram of number of tokens per engine_step."),
    ...buckets,
    one("vllm:iteration_tokens_total_count", counts.steps),
    one("vllm:iteration_tokens_total_sum", counts.stepTokens),
    "",
  ].join("\n");
}

function head(name, type, help) {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}
