import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Milliseconds; a driver that hangs must not hang the start. */
const askWithin = 20_000;

/** The devices that engines may use, as CUDA_VISIBLE_DEVICES names them. */
export async function findDevices(gpus: number | "auto"): Promise<readonly string[]> {
  if (gpus !== "auto") return Array.from({ length: gpus }, (_, index) => String(index));
  const visible = process.env["CUDA_VISIBLE_DEVICES"];
  return visible === undefined ? listDevices() : toDevices(visible);
}

/** CUDA sees what stands before the first entry that is no device. */
export function toDevices(visible: string): readonly string[] {
  const entries = visible.split(",").map((entry) => entry.trim());
  const end = entries.findIndex((entry) => !/^(?:\d+|(?:GPU|MIG)-[\w/.-]+)$/iu.test(entry));
  return end === -1 ? entries : entries.slice(0, end);
}

/** None where there is no driver to ask. */
async function listDevices(): Promise<readonly string[]> {
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", ["--list-gpus"], { timeout: askWithin });
    return Array.from(stdout.matchAll(/^GPU (\d+):/gmu), ([, index]) => index ?? "");
  } catch {
    return []; // The tool comes with the driver: without it there is nothing to use.
  }
}

/** The devices of each instance; where there are too few for one, it gets them all, and may say so itself. */
export function sliceDevices(devices: readonly string[], each: number, most: number): readonly (readonly string[])[] {
  const instances = Math.min(most, Math.max(1, Math.floor(devices.length / each)));
  return Array.from({ length: instances }, (_, index) => devices.slice(index * each, (index + 1) * each));
}
