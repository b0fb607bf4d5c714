/** Rows that run at once: those that wait, and of the others those that stand neither load nor company badly. */
const lanes = { waiting: 4, sharing: 3 };

/** They spend their time waiting, and leave the cores to others. */
const waiting = new Set("D9 E4 E6 E11 G4-upload I1 I1-tool I2 I2-tool I3-tool".split(" "));

/** They measure times, load the machine or count processes: nothing but what waits may run beside them. */
const alone = new Set(
  "C6 D3 D6 D12 E9 E10 E12 E13 F-1 F-2 F-8 F-9 G1 G2 G4 G4-queue G7 I5 I6 I8 K1 K6 K2 K2-proxies K3 K4 K8 L1 L2 L3".split(
    " ",
  ),
);

/** Runs the rows so that none disturbs another; `tell` hears of each result, in the order of the rows. */
export async function schedule(rows, run, tell) {
  const results = Array.from({ length: rows.length });
  let told = 0;
  const lane = async (queue) => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      results[next.index] = await run(next.row);
      for (; results[told] !== undefined; told++) tell(results[told]);
    }
  };
  const queueOf = (wanted) => rows.map((row, index) => ({ row, index })).filter(({ row: { id } }) => wanted(id));
  const share = (queue, count) => Promise.all(Array.from({ length: count }, () => lane(queue)));
  const rest = async () => {
    await share(
      queueOf((id) => !waiting.has(id) && !alone.has(id)),
      lanes.sharing,
    );
    await lane(queueOf((id) => alone.has(id)));
  };
  await Promise.all([
    share(
      queueOf((id) => waiting.has(id)),
      lanes.waiting,
    ),
    rest(),
  ]);
  return results;
}
