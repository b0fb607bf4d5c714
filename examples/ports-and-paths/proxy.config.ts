// Ports, paths and services of one config. Run it: npx plugboard --config examples/ports-and-paths/proxy.config.ts
import { defineProxy } from "plugboard";
import { activeHealth, anyAvailable, explain, leastConnections, model } from "plugboard/plugins";
import { openaiErrors, sse, staticTargets, stats } from "plugboard/plugins";

export default defineProxy({
  port: 8000,
  plugins: [
    staticTargets({ targets: [{ id: "gpu-1", url: "http://127.0.0.1:8001", models: ["qwen3-8b"] }] }),
    staticTargets({ pool: "accounts", targets: [{ id: "accounts", url: "http://127.0.0.1:7000" }] }),
    activeHealth({ pool: "default" }),
    leastConnections(),
    stats(),
    explain(),
  ],
  mounts: [
    { path: "/v1", plugins: [model(), sse(), openaiErrors()] },
    { path: "/accounts", pool: "accounts", strip: true },
    { path: "/version", handler: () => ({ version: "1.0.0" }) },
  ],
  listeners: {
    // For clients that know no prefix; closed while no model server is well.
    old: { port: 5000, when: anyAvailable(), mounts: [{ path: "/" }] },
    // /stats, /health, /ready, /services and /explain are here, and on no other port.
    admin: { port: 9000, control: ["stats", "explain"] },
  },
});
