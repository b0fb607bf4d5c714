import { createServer } from "node:net";
import { announce } from "./announce.mjs";

// The gateway takes its port from its arguments and does not tell when it listens.
const port = await freePort();
process.argv = [process.argv[0], "portkey", `--port=${port}`, "--headless"];
await import("@portkey-ai/gateway/build/start-server.js");
announce(port);

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
}
