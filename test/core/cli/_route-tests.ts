import type { Project } from "../config/_project.ts";
import { type Finished, run } from "./_cli.ts";

/** One model on two mock backends, another in a pool of its own. */
export const config = `import { alias, inOrder, mockBackend, model } from "plugboard/plugins";
export default {
  plugins: [
    mockBackend({ backends: [{ id: "gpu-1", models: ["qwen3-8b"] }, { id: "gpu-2", models: ["qwen3-8b"] }] }),
    mockBackend({ pool: "other", backends: [{ models: ["llama"] }] }),
    inOrder(),
    alias({ fast: { targets: [{ model: "qwen3-8b" }] } }),
    model(),
  ],
};
`;

/** Runs `plugboard test` in the folder of a project. */
export async function runIn(project: Project, args: readonly string[] = []): Promise<Finished> {
  return run(["test", ...args], { cwd: project.directory });
}
