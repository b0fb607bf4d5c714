// A plain HTTP reverse proxy, no LLM in sight. Run it: UPSTREAMS=http://127.0.0.1:3000 npx plugboard --config examples/reverse-proxy.ts
import { defineProxy } from "plugboard";
import { activeHealth, leastConnections, staticTargets, stats } from "plugboard/plugins";

const upstreams = process.env.UPSTREAMS ?? "http://127.0.0.1:3000,http://127.0.0.1:3001";

export default defineProxy({
  plugins: [
    staticTargets({ targets: upstreams.split(",") }),
    activeHealth({ path: "/", expect: [[200, 499]] }),
    leastConnections(),
    // Every other path, `/health` too, is the upstream's.
    stats({ prefix: "/_proxy" }),
  ],
  limits: { body: 10_000_000 },
  timeouts: { headers: 30_000, idle: 60_000 },
});
