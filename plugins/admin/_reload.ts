import { type Setup, textOf } from "../../core/index.ts";
import { type ConfigProblem, isConfigError } from "../../core/config/config-error.ts";
import { isConfigLoadError } from "../../core/config/load-error.ts";
import { withoutReceived, withoutSecrets } from "../../core/config/show-value.ts";

interface ReloadAnswer {
  readonly status: number;
  readonly body: object;
}

interface ShownProblem {
  readonly message: string;
  readonly plugin?: string;
  readonly path?: string;
  readonly received?: string;
  readonly fix?: string;
  readonly file?: string;
  readonly line?: number;
}

/** 422: the config is wrong; 409: it may be right, and could not be taken. What runs goes on either way. */
export async function reload(proxy: Pick<Setup, "reload">): Promise<ReloadAnswer> {
  try {
    const { generation } = await proxy.reload();
    return { status: 200, body: { generation } };
  } catch (error) {
    if (isConfigError(error)) return refused(422, error.problems.map(toProblem));
    if (isConfigLoadError(error)) {
      const { message, fix, place, file } = error;
      const { line } = place ?? {};
      const where = { file: place?.file ?? file, ...(line !== undefined && { line }) };
      return refused(422, [{ message: withoutSecrets(message), ...(fix !== undefined && { fix }), ...where }]);
    }
    const message = textOf(error);
    return refused(409, [{ message: withoutSecrets(message) }]);
  }
}

function refused(status: 409 | 422, problems: readonly ShownProblem[]): ReloadAnswer {
  const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
  const message = `Not reloaded, the running config stays: ${count}.`;
  return { status, body: { error: { message, code: "reload_refused", problems } } };
}

function toProblem({ plugin, path, message, received, fix }: ConfigProblem): ShownProblem {
  return {
    // Some schemas put what they received into their words.
    message: withoutSecrets(withoutReceived(message)),
    ...(plugin !== "" && { plugin }),
    ...(path !== "" && { path }),
    ...(received !== undefined && { received }),
    ...(fix !== undefined && { fix: withoutSecrets(fix) }),
  };
}
