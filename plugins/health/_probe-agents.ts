import { Agent } from "undici";
import { type Dialer, dialerOf, type Target } from "../../core/index.ts";

/** Connections apart from those of the requests. */
export interface ProbeAgents {
  of(target: Target): Agent;
  close(): Promise<void>;
}

/** One for the targets that are connected to alike, made on first use. */
export function createProbeAgents(timeout: number): ProbeAgents {
  const agents = new Map<string, Agent>();
  return {
    of(target) {
      const dialer = dialerOf(target);
      let agent = agents.get(dialer.text);
      if (agent === undefined) agents.set(dialer.text, (agent = createAgent(timeout, dialer)));
      return agent;
    },
    async close() {
      const open = [...agents.values()];
      agents.clear();
      await Promise.all(open.map((agent) => agent.destroy()));
    },
  };
}

function createAgent(timeout: number, dialer: Dialer): Agent {
  return new Agent({
    // A connection for each probe: it shows that the target still accepts, and no idle one can die under it.
    pipelining: 0,
    connect: dialer.connector(timeout),
    // The deadline is the prober's own timer; undici's tick every 500 ms.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}
