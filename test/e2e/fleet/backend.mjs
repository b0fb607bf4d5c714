// An engine that can be watched: node backend.mjs --port N --models a,b [--load MS]
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { port: { type: "string" }, models: { type: "string" }, load: { type: "string", default: "0" } },
});
const models = values.models.split(",");
const seen = { served: 0, streams: 0, left: 0 };

const server = createServer(async (req, res) => {
  if (req.url === "/health") return send(res, {});
  if (req.url === "/v1/models")
    return send(res, { object: "list", data: models.map((id) => ({ id, object: "model" })) });
  if (req.url === "/seen") return send(res, { ...seen, pid: process.pid });
  if (req.url !== "/v1/chat/completions") return send(res, { error: "not here" }, 404);
  let text = "";
  for await (const chunk of req) text += chunk;
  const { model, stream } = JSON.parse(text);
  seen.served += 1;
  if (!stream)
    return send(res, { model, by: values.port, choices: [{ message: { role: "assistant", content: "ok" } }] });
  streamTo(res, model);
});

/** Until its client has had enough. */
function streamTo(res, model) {
  seen.streams += 1;
  res.writeHead(200, { "content-type": "text/event-stream" });
  const event = `data: ${JSON.stringify({ model, by: values.port, choices: [{ delta: { content: "word " } }] })}\n\n`;
  const timer = setInterval(() => res.write(event), 10);
  res.once("close", () => {
    clearInterval(timer);
    seen.streams -= 1;
    seen.left += 1;
  });
}

function send(res, body, status = 200) {
  res.writeHead(status, { "content-type": "application/json" });
  res.end(JSON.stringify(body));
}

// What loads a model listens late.
setTimeout(() => server.listen(Number(values.port), "127.0.0.1"), Number(values.load));
