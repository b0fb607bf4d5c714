import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { endGroup } from "../../../plugins/fleet/_child-group.ts";
import { eventually } from "../../e2e/eventually.ts";
import { freePair } from "../../e2e/fleet/stack.ts";
import { runs } from "./backend-rig.ts";
import { type Engine, openControl, quick } from "./inference-rig.ts";

const keeper = fileURLToPath(new URL("inference-keeper.ts", import.meta.url));

const linux = test.runIf(process.platform === "linux");

linux(
  "what a killed proxy left behind is ended by the next one, which starts nothing by itself",
  { timeout: 30_000 },
  async () => {
    const port = (await freePair()) - 1;
    const child = spawn(process.execPath, ["--import", "jiti/register", keeper, JSON.stringify({ ...quick, port })], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const url = await new Promise<string>((resolve) =>
      createInterface(child.stdout).on("line", (line) => {
        const found = /^listens at (.+)$/u.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      }),
    );
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ model: "m", dtype: "auto" });
    expect((await fetch(`${url}/api/v1/inference/up`, { method: "POST", headers, body })).status).toBe(200);
    const status = (await (await fetch(`${url}/api/v1/inference/up/status`)).json()) as { instances: Engine[] };
    const pid = status.instances[0]?.pid as number;
    onTestFinished(async () => void (await endGroup(pid, 0)));
    child.kill("SIGKILL");
    await eventually(() => expect(runs(child.pid)).toBe(false));
    expect(runs(pid)).toBe(true);

    const control = await openControl({ port });
    await eventually(() => expect(runs(pid)).toBe(false));
    expect(await control.status()).toMatchObject({ status: "not_started", instances: [] });
    expect((await control.up()).status).toBe(200);
    expect((await control.engines())[0]).toMatchObject({ port: port + 1, state: "ready" });
  },
);
