import { checkStatus, openClient, requestBytes, seconds } from "./load-client.mjs";
import { cpuSeconds } from "./machine.mjs";
import { chatEvent, chatRequest, eventSize } from "./traffic.mjs";

const event = chatEvent();
const longestStart = 20_000;

/** Many streams started at once: the time to their first byte, then events per time. */
export async function measureStreams(job) {
  const run = await startStreams(job);
  await seconds(job.warm);
  const before = { at: performance.now(), bytes: run.bytes, cpu: cpuSeconds(job.pid) };
  await seconds(job.seconds);
  const after = { at: performance.now(), bytes: run.bytes, cpu: cpuSeconds(job.pid) };
  run.close();
  if (run.failure !== undefined) return { failure: run.failure };
  const firstBytes = run.firstBytes.toSorted((a, b) => a - b);
  return {
    events: (after.bytes - before.bytes) / eventSize,
    seconds: (after.at - before.at) / 1000,
    cpu: after.cpu - before.cpu,
    firstByte: firstBytes[Math.floor(firstBytes.length / 2)],
    lastFirstByte: firstBytes.at(-1),
  };
}

/** Opens streams and keeps them until released. */
export async function holdStreams(job) {
  const run = await startStreams(job);
  if (run.failure === undefined) return { release: run.close };
  run.close();
  return { failure: run.failure };
}

async function startStreams(job) {
  const run = { bytes: 0, firstBytes: [], failure: undefined, stopped: false, close };
  const request = requestBytes(job.port, chatRequest(1024, true), {
    ...job.headers,
    accept: "text/event-stream",
    "x-bench-stream": job.interval,
  });
  const sockets = await Promise.all(Array.from({ length: job.streams }, () => openStream(job.port, run)));
  function close() {
    run.stopped = true;
    for (const socket of sockets) socket.destroy();
  }
  const startedAt = performance.now();
  run.startedAt = startedAt;
  for (const socket of sockets) socket.write(request);
  while (run.firstBytes.length < job.streams && run.failure === undefined) {
    if (performance.now() - startedAt > longestStart) {
      run.failure = `${job.streams - run.firstBytes.length} of ${job.streams} streams did not start`;
    }
    await seconds(0.01);
  }
  return run;
}

function openStream(port, run) {
  let bytes = 0;
  const fail = (reason) => {
    if (!run.stopped) run.failure ??= reason;
  };
  return openClient(port, {
    fail,
    head(text) {
      const wrong = checkStatus(text);
      if (wrong !== undefined) fail(wrong);
    },
    body(buffer, from, to) {
      if (bytes === 0) {
        run.firstBytes.push(performance.now() - run.startedAt);
        if (buffer.compare(event, 0, Math.min(to - from, eventSize), from, Math.min(to, from + eventSize)) !== 0) {
          fail("the first event's bytes changed");
        }
      }
      bytes += to - from;
      run.bytes += to - from;
    },
    end: () => fail("a stream ended that should not"),
  });
}
