// A backend that a babysitter runs, and that behaves as its second argument says.
import { spawn } from "node:child_process";
import { createServer } from "node:http";

const [port, how] = process.argv.slice(2);
const models = JSON.stringify({ object: "list", data: [{ id: how, object: "model" }] });
const server = createServer(({ url }, res) => {
  if (url === "/crash") process.kill(process.pid, "SIGKILL");
  if (url === "/leave") process.exit(0);
  res.end(url === "/v1/models" ? models : String(process.pid));
});
if (how === "stubborn") process.on("SIGTERM", () => {});
if (how === "parent") spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
if (how === "loud") {
  const line = `${"loud ".repeat(2_000)}\n`;
  const shout = () => {
    while (process.stdout.write(line));
    process.stdout.once("drain", shout);
  };
  shout();
}
server.listen(Number(port), "127.0.0.1");
