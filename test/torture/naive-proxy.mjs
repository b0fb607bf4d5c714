// The obvious proxy, as a measure of the rows: what it keeps too says little about a proxy.
import { createServer } from "node:http";
import { request } from "undici";

const urls = process.argv.slice(2).filter((word) => word.startsWith("http://"));
const port = Number(process.argv[process.argv.indexOf("--port") + 1]);
let turn = 0;

const server = createServer(async (req, res) => {
  try {
    const url = `${urls[turn++ % urls.length]}${req.url}`;
    const headers = { ...req.headers };
    for (const name of ["connection", "keep-alive", "transfer-encoding", "upgrade", "expect"]) delete headers[name];
    const body = req.method === "GET" || req.method === "HEAD" ? undefined : req;
    const answer = await request(url, { method: req.method, headers, body });
    delete answer.headers.connection;
    delete answer.headers["transfer-encoding"];
    res.writeHead(answer.statusCode, answer.headers);
    answer.body.on("error", () => res.destroy());
    answer.body.pipe(res);
  } catch (error) {
    if (res.headersSent) res.destroy();
    else res.writeHead(502).end(String(error));
  }
});
server.listen(port, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ event: "ready", port: server.address().port })}\n`);
});
process.on("SIGTERM", () => server.close(() => process.exit(0)));
