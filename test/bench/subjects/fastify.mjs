import httpProxy from "@fastify/http-proxy";
import fastify from "fastify";
import { announce, targets } from "./announce.mjs";

const app = fastify();
// Its pool has 128 connections by default, fewer than the streams of the bench.
await app.register(httpProxy, { upstream: targets[0], undici: { connections: 4096 } });
await app.listen({ port: 0, host: "127.0.0.1", backlog: 4096 });
announce(app.server.address().port);
