import { defineConfig } from "vitest/config";

const report = process.env.VITEST_JSON;

// Apart from the suite: it builds, packs and installs, which takes half a minute and needs a package registry.
export default defineConfig({
  test: {
    include: ["test/package/*.test.ts"],
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
