import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { findDevices, sliceDevices, toDevices } from "../../../plugins/fleet/_inference-devices.ts";

/** A `nvidia-smi` that writes that. */
function driver(text: string): void {
  const folder = mkdtempSync(join(tmpdir(), "driver-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "nvidia-smi"), `#!${process.execPath}\nprocess.stdout.write(${JSON.stringify(text)});\n`);
  chmodSync(join(folder, "nvidia-smi"), 0o755);
  environment("PATH", `${folder}${delimiter}${process.env["PATH"]}`);
}

function environment(name: string, value: string | undefined): void {
  vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
}

test("a number of devices is numbered from 0", async () => {
  environment("CUDA_VISIBLE_DEVICES", "7");
  expect(await findDevices(3)).toEqual(["0", "1", "2"]);
  expect(await findDevices(0)).toEqual([]);
});

test("by themselves they are what CUDA_VISIBLE_DEVICES names", async () => {
  driver("GPU 0: A (UUID: GPU-1)\n");
  environment("CUDA_VISIBLE_DEVICES", "4, 6,GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-GPU-1/2/0");
  expect(await findDevices("auto")).toEqual(["4", "6", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "MIG-GPU-1/2/0"]);
  environment("CUDA_VISIBLE_DEVICES", "");
  expect(await findDevices("auto")).toEqual([]);
});

test("what stands behind an entry that is no device does not count", () => {
  expect(toDevices("0,1,-1,2")).toEqual(["0", "1"]);
  expect(toDevices("NoDevFiles")).toEqual([]);
});

test("else they are what the driver lists, whatever parts it lists of them", async () => {
  environment("CUDA_VISIBLE_DEVICES", undefined);
  driver("GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 3g.20gb Device 0: (UUID: MIG-1)\nGPU 1: NVIDIA A100 (UUID: GPU-2)\n");
  expect(await findDevices("auto")).toEqual(["0", "1"]);
});

test("without a driver there are none", async () => {
  environment("CUDA_VISIBLE_DEVICES", undefined);
  environment("PATH", "/nowhere");
  expect(await findDevices("auto")).toEqual([]);
});

test("devices that make no whole instance are left over, unless they are all there are", () => {
  const four = ["0", "1", "2", "3"];
  expect(sliceDevices(four, 3, 128)).toEqual([["0", "1", "2"]]);
  expect(sliceDevices(four, 8, 128)).toEqual([four]);
  expect(sliceDevices([], 2, 128)).toEqual([[]]);
});
