import { type ConfigProblem, isConfigError } from "../../../core/config/config-error.ts";

/** The one problem that the call is refused for. */
export function configErrorOf(call: () => void): ConfigProblem {
  try {
    call();
  } catch (error) {
    return onlyProblem(error);
  }
  throw new Error("nothing was refused");
}

/** All problems that the promise is rejected for. */
export async function problemsOf(promise: Promise<unknown>): Promise<readonly ConfigProblem[]> {
  const error: unknown = await promise.then(
    () => new Error("nothing was refused"),
    (reason: unknown) => reason,
  );
  if (!isConfigError(error)) throw error;
  return error.problems;
}

function onlyProblem(error: unknown): ConfigProblem {
  if (!isConfigError(error)) throw error;
  const [problem, ...more] = error.problems;
  if (problem === undefined || more.length > 0) throw new Error(`${error.problems.length} problems, not one`);
  return problem;
}
