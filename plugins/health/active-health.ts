import { definePlugin, type Plugin, type Pool, type Target } from "../../core/index.ts";
import { type Course, createCourses } from "./_active-course.ts";
import { activeHealthSchema, type ActiveHealthOptions } from "./_active-options.ts";
import { problemsOf } from "./_active-problems.ts";

export type { ActiveHealthOptions, CheckOptions } from "./_active-options.ts";
export type { Expected } from "./_probe.ts";

/**
 * Probes each target and takes it out of rotation while that fails.
 *
 * The first probe of a target counts at once, in both directions, and the proxy is ready only after the first round;
 * afterwards `fall` and `rise` count. A target that discovery adds later is probed at once. After a reload, a target
 * that has served already must fail `fall` times like before. The status decides, and `body` where it is given; the body
 * has to arrive, as far as it is read. A redirect is an answer like any other and is not followed. When this machine has
 * no descriptor or port to spare for a probe, targets stay what they were. `targets` says what is different about single
 * ones; an id that no discovery of the config can have is a mistake in it. Not for upstreams where every request costs,
 * such as paid APIs: switch those off there, or take `type: "tcp"`; the traffic itself has to tell.
 *
 * @example
 * activeHealth({ path: "/health", fall: 3, rise: 2, targets: { openai: false, embeddings: { path: "/ready", body: "ok" } } });
 */
export const activeHealth: (options?: ActiveHealthOptions) => Plugin = definePlugin({
  name: "active-health",
  options: activeHealthSchema,
  setup(proxy, options) {
    const { jitter, usual: settings } = options;
    const reporter = proxy.reporter("active-health");
    const discoveries = proxy.useAll("discovery");
    const createCourse = createCourses(proxy, reporter);
    const usual = createCourse(settings);
    const own = new Map(
      [...options.targets].map(([id, each]) => [id, each === false ? undefined : createCourse(each)]),
    );
    const others = [...own.values()].filter((course) => course !== undefined);
    const courses = [usual, ...others];
    const only = options.pool === undefined ? undefined : proxy.pool(options.pool);
    let pools: readonly Pool[] = [];

    async function follow(trusted?: ReadonlySet<Target>): Promise<void> {
      const shares = new Map<Course, Target[]>(courses.map((course) => [course, []]));
      for (const target of allOf(pools)) {
        const course = own.has(target.id) ? own.get(target.id) : usual;
        if (course !== undefined) shares.get(course)?.push(target);
      }
      await Promise.all([...shares].map(([{ checks }, targets]) => checks.follow(targets, trusted)));
    }

    async function begin(): Promise<void> {
      pools = only === undefined ? proxy.pools() : [only];
      const looked = new Set(allOf(pools).map(({ id }) => id));
      for (const { id } of allOf(proxy.pools())) {
        // Before a reload it may have been looked after, and said to be down.
        if (!looked.has(id) || (own.has(id) && own.get(id) === undefined)) reporter.up(id);
      }
      for (const pool of pools) pool.onChange(() => void follow());
      await follow(serving(pools));
    }

    // Later rounds are not waited for: a slow target must not hold back the next probe of the others.
    const round = (): Promise<void> | void => (pools.length === 0 ? begin() : usual.round());
    proxy.every(usual.interval, round, { immediate: true, jitter });
    for (const course of others) proxy.every(course.interval, course.round, { jitter });
    proxy.onLink(() => problemsOf(options, discoveries.value.values()).forEach((problem) => proxy.problem(problem)));
    proxy.signal.addEventListener("abort", () => courses.forEach(({ checks }) => checks.stop()), { once: true });
    proxy.onClose(async () => {
      await Promise.all(courses.map((course) => course.close()));
    });
  },
});

function allOf(pools: readonly Pool[]): readonly Target[] {
  return pools.flatMap(({ snapshot }) => snapshot.all);
}

/** Targets that are up and have been asked before: those of a reload, whose first slow answer must not take them down. */
function serving(pools: readonly Pool[]): ReadonlySet<Target> {
  const available = pools.flatMap((pool) => pool.snapshot.available);
  return new Set(available.filter(({ live }) => live.requests > 0));
}
