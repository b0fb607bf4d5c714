import { checkStatus, openClient, requestBytes, seconds } from "./load-client.mjs";
import { cpuSeconds } from "./machine.mjs";
import { chatReply, chatRequest } from "./traffic.mjs";

const reply = chatReply(1024);
/** Bytes by which a proxy may change a request's size, say by another model name. */
const rewriteRoom = 64;
/** Latencies kept of one run. */
const mostSamples = 1 << 20;

/** Requests one after the other on each connection, as fast as they are answered. */
export async function measureRequests(job) {
  const run = {
    done: 0,
    failure: undefined,
    stopped: false,
    latencies: new Float64Array(job.connections === 1 ? mostSamples : 0),
  };
  const body = chatRequest(job.size, false);
  const request = requestBytes(job.port, body, job.headers);
  const sockets = await openAll(job, run, request);
  for (const socket of sockets) socket.start();
  await seconds(job.warm);
  const before = { at: performance.now(), done: run.done, cpu: cpuOf(job.pid) };
  await seconds(job.seconds);
  const after = { at: performance.now(), done: run.done, cpu: cpuOf(job.pid) };
  run.stopped = true;
  for (const socket of sockets) socket.close();
  if (run.failure !== undefined) return { failure: run.failure };
  return {
    requests: after.done - before.done,
    seconds: (after.at - before.at) / 1000,
    cpu: after.cpu - before.cpu,
    ...percentiles(run.latencies.subarray(Math.min(before.done, mostSamples), Math.min(after.done, mostSamples))),
  };
}

async function openAll(job, run, request) {
  const clients = Array.from({ length: job.connections }, () => openRequester(job, run, request));
  return Promise.all(clients);
}

async function openRequester(job, run, request) {
  let head = "";
  let bytes = 0;
  let checked = false;
  let sentAt = 0;
  const fail = (reason) => {
    if (!run.stopped) run.failure ??= reason;
  };
  const socket = await openClient(job.port, {
    fail,
    head(text) {
      head = text;
      bytes = 0;
    },
    body(buffer, from, to) {
      if (!checked && bytes === 0 && !job.rewrites) checkBytes(buffer, from, to, fail);
      bytes += to - from;
    },
    end() {
      const wrong = checkStatus(head) ?? checkLength(job, bytes) ?? (checked ? undefined : checkReceived(job, head));
      if (wrong !== undefined) fail(wrong);
      checked = true;
      if (run.latencies.length > run.done) run.latencies[run.done] = performance.now() - sentAt;
      run.done++;
      if (!run.stopped && run.failure === undefined) send();
    },
  });
  const send = () => {
    if (run.latencies.length > 0) sentAt = performance.now();
    socket.write(request);
  };
  return { start: send, close: () => socket.destroy() };
}

/** The first bytes of the first answer of each connection. */
function checkBytes(buffer, from, to, fail) {
  if (buffer.compare(reply, 0, Math.min(to - from, reply.length), from, to) !== 0) fail("the answer's bytes changed");
}

function checkLength(job, bytes) {
  const right = job.rewrites ? bytes > reply.length / 2 : bytes === reply.length;
  return right ? undefined : `an answer of ${bytes} bytes instead of ${reply.length}`;
}

function checkReceived(job, head) {
  if (job.rewrites) return undefined;
  const received = Number(/\r\nx-bench-bytes: *(\d+)/i.exec(head)?.[1]);
  const right = Math.abs(received - job.size) <= rewriteRoom;
  return right ? undefined : `the upstream got ${received} of ${job.size} bytes`;
}

function cpuOf(pid) {
  return pid === undefined ? 0 : cpuSeconds(pid);
}

/** Microseconds. */
function percentiles(samples) {
  if (samples.length === 0) return {};
  samples.sort();
  const at = (share) => samples[Math.min(samples.length - 1, Math.floor(samples.length * share))] * 1000;
  return { p50: at(0.5), p99: at(0.99) };
}
