/** What is known of the steps of one target; plain values, so that it can be kept over reloads. */
export interface Course {
  /** Where it was read; another place is another process. */
  readonly origin: string;
  /** The steps at the last reading; undefined before the first. */
  steps: number | undefined;
  /** When the last reading was; undefined when one was missed since. */
  readAt: number | undefined;
  /** Milliseconds that it was seen to stand still with work at hand. */
  still: number;
  /** Readings in a row at which that was too long. */
  tooLong: number;
  /** Why it is taken for hung; undefined while it is not. */
  hung: string | undefined;
  /** That nothing can be known of it has been told. */
  told: boolean;
}

export interface CourseLimits {
  readonly grace: number;
  readonly fall: number;
}

export interface Progress {
  readonly steps: number;
  /** Requests that run or wait. */
  readonly busy: number;
}

export function startCourse(origin: string): Course {
  return { origin, steps: undefined, readAt: undefined, still: 0, tooLong: 0, hung: undefined, told: false };
}

/** Begins anew, with what was told still told. */
export function resetCourse(course: Course): void {
  course.steps = undefined;
  settle(course);
}

/** What nobody saw does not count. */
export function missReading(course: Course): void {
  course.readAt = undefined;
}

/** Takes in a reading; afterwards `hung` says what to think of the target. */
export function advance(course: Course, { steps, busy }: Progress, now: number, limits: CourseLimits): void {
  const stands = steps === course.steps && busy > 0;
  const seen = course.readAt === undefined ? 0 : now - course.readAt;
  // Fewer steps than before are those of a process that was started again.
  if (!stands) settle(course);
  course.steps = steps;
  course.readAt = now;
  if (!stands) return;
  course.still += seen;
  course.tooLong = course.still > limits.grace ? course.tooLong + 1 : 0;
  if (course.tooLong < limits.fall) return;
  course.hung ??= `no step for ${Math.round(course.still / 1_000)} s with ${busy} requests at hand`;
}

function settle(course: Course): void {
  course.readAt = undefined;
  course.still = 0;
  course.tooLong = 0;
  course.hung = undefined;
}
