import { Agent, createServer } from "node:http";
import { createProxyServer } from "httpxy";
import { listen, targets } from "./announce.mjs";

// Its own agent has 256 sockets at most, fewer than the streams of the bench.
const proxy = createProxyServer({ target: targets[0], agent: new Agent({ keepAlive: true }) });

listen(
  createServer((request, response) => {
    proxy.web(request, response).catch(() => response.destroy());
  }),
);
