// Sums what the steps of .ci/run left behind: a line each in `steps`, and the vitest reports of those that test.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [, , directory] = process.argv;
const withReport = new Set(["suite", "package", "node-24", "node-26"]);

const counts = readFileSync(join(directory, "steps"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => {
    const [name, code] = line.split("\t");
    return count(name, Number(code));
  });

for (const { name, passed, failed, skipped } of counts) {
  console.log(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
}
const passed = sum("passed");
const failed = sum("failed");
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

function count(name, code) {
  const report = read(join(directory, `${name}.json`));
  if (report === undefined) return { name, passed: 0, failed: code !== 0 || withReport.has(name) ? 1 : 0, skipped: 0 };
  const skipped = report.numPendingTests + report.numTodoTests;
  const failures = report.numFailedTests + report.testResults.filter(isBrokenFile).length;
  // What fails beside the tests: an unhandled error, a type error in a source.
  return { name, passed: report.numPassedTests, failed: failures === 0 && code !== 0 ? 1 : failures, skipped };
}

/** A file that could not even be collected has no tests to fail. */
function isBrokenFile({ status, assertionResults }) {
  return status === "failed" && assertionResults.every((result) => result.status !== "failed");
}

function read(file) {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // cut off in the middle: as good as none
  }
}

function sum(key) {
  return counts.reduce((total, each) => total + each[key], 0);
}
