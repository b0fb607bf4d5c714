import { Agent, createServer } from "node:http";
import { createProxyServer } from "http-proxy-3";
import { listen, targets } from "./announce.mjs";

const proxy = createProxyServer({ target: targets[0], agent: new Agent({ keepAlive: true }) });
proxy.on("error", (_error, _request, response) => response.destroy());

listen(createServer((request, response) => proxy.web(request, response)));
