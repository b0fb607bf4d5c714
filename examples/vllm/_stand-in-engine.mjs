// What is counted is what happens: steps, tokens, and requests that run or wait.

/** Tokens of a step, up to which it is counted; the last bucket is all of them. */
export const stepBuckets = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, Infinity];

/**
 * Makes tokens step by step, one for each request that runs. While it hangs no step is made, and a request that is given
 * up is not noticed, as in an engine whose scheduler is deadlocked.
 */
export function createEngine({ tokenMs, maxRunning }) {
  const waiting = [];
  const running = [];
  const counts = { steps: 0, stepTokens: 0, promptTokens: 0, generatedTokens: 0, finished: new Map() };
  counts.buckets = stepBuckets.map(() => 0);
  let hung = false;
  let scheduled = false;

  function schedule() {
    if (scheduled || hung || running.length + waiting.length === 0) return;
    scheduled = true;
    // The first token is made at once.
    setTimeout(step, running.length === 0 ? 0 : tokenMs);
  }

  function step() {
    scheduled = false;
    if (hung) return;
    for (const job of [...waiting, ...running]) if (job.gone) finish(job, "abort");
    const prompts = admit(waiting, running, maxRunning);
    if (running.length === 0) return;
    countStep(counts, prompts, running.length);
    for (const job of running.slice()) advance(job);
    schedule();
  }

  function advance(job) {
    const token = job.tokens[job.made];
    job.made += 1;
    const isLast = job.made === job.tokens.length;
    if (isLast) finish(job, job.finish);
    job.onToken(token, isLast);
  }

  function finish(job, reason) {
    remove(waiting, job);
    remove(running, job);
    counts.finished.set(reason, (counts.finished.get(reason) ?? 0) + 1);
  }

  return {
    counts,
    get running() {
      return running.length;
    },
    get waiting() {
      return waiting.length;
    },
    get hung() {
      return hung;
    },
    /** `tokens` of an answer that ends with `finish`, each told to `onToken(token, isLast)`; returns how to give it up. */
    submit({ promptTokens, tokens, finish: reason, onToken }) {
      const job = { promptTokens, tokens, finish: reason, onToken, made: 0, gone: false };
      waiting.push(job);
      schedule();
      return () => {
        if (job.made === tokens.length) return;
        job.gone = true;
        job.onToken = () => {};
        if (!hung) finish(job, "abort");
      };
    },
    hang() {
      hung = true;
    },
    resume() {
      hung = false;
      schedule();
    },
  };
}

/** Lets as many run as may; returns the tokens of their prompts. */
function admit(waiting, running, most) {
  const admitted = waiting.splice(0, most - running.length);
  running.push(...admitted);
  return admitted.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
}

function countStep(counts, prompts, generated) {
  const tokens = prompts + generated;
  counts.promptTokens += prompts;
  counts.generatedTokens += generated;
  counts.steps += 1;
  counts.stepTokens += tokens;
  stepBuckets.forEach((most, index) => void (counts.buckets[index] += tokens <= most ? 1 : 0));
}

function remove(list, job) {
  const index = list.indexOf(job);
  if (index !== -1) list.splice(index, 1);
}
