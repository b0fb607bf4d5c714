// The clients of the soak: each sends one request after the other, and leaves in the midst of some.
import { connect } from "node:net";
import { HttpReader } from "../../bench/http-reader.mjs";

const port = Number(process.argv[2]);
const clients = 40;
const longStreams = 50;
const share = { stream: 0.04, post: 0.25 };
const leaving = 0.05;
const body = JSON.stringify({ model: "soak", messages: [{ role: "user", content: "hello ".repeat(40) }] });
const requests = {
  get: "GET /get HTTP/1.1\r\nhost: soak\r\n\r\n",
  post: `POST /post HTTP/1.1\r\nhost: soak\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  stream: "GET /stream HTTP/1.1\r\nhost: soak\r\n\r\n",
  long: "GET /long HTTP/1.1\r\nhost: soak\r\n\r\n",
};

const of = () => ({ sent: 0, whole: 0, left: 0, refused: 0, cut: 0, lost: 0 });
const counts = { get: of(), post: of(), stream: of(), long: of() };
const others = new Map();
const state = { paused: true, busy: 0 };
const idle = [];

/** One client: a connection at a time, and on it one request at a time. */
function openClient(pick) {
  let socket;
  let kind;
  let status = 0;
  let turn = 0;

  function start() {
    const next = pick();
    if (state.paused && next !== "long") {
      idle.push(start);
      return;
    }
    kind = next;
    status = 0;
    if (kind !== "long") state.busy++;
    counts[kind].sent++;
    if (socket === undefined || socket.destroyed) open();
    socket.write(requests[kind]);
    const number = ++turn;
    if (kind === "long" || Math.random() >= leaving) return;
    const leave = () => {
      if (number !== turn || kind === undefined) return;
      socket.destroy();
      finish("left");
    };
    if (Math.random() < 0.5) setImmediate(leave);
    else setTimeout(leave, Math.random() * (kind === "stream" ? 100 : 2));
  }

  function open() {
    const own = connect({ port, host: "127.0.0.1", noDelay: true });
    const reader = new HttpReader({
      head: (text) => void (status = Number(text.slice(9, 12))),
      body() {},
      end: () => own === socket && finish(outcome()),
    });
    own.on("data", (bytes) => reader.push(bytes, bytes.length));
    own.on("error", () => {}); // What it cost is counted when it closes.
    own.once("close", () => own === socket && finish(status === 200 ? "cut" : "lost"));
    socket = own;
  }

  function outcome() {
    if (status === 200) return "whole";
    others.set(status, (others.get(status) ?? 0) + 1);
    return "refused";
  }

  function finish(how) {
    if (kind === undefined) return;
    counts[kind][how]++;
    if (kind !== "long") state.busy--;
    kind = undefined;
    // What closed belongs to a request that is over.
    if (how !== "whole" && how !== "refused") socket = undefined;
    setImmediate(start);
  }

  start();
  return () => {
    kind = undefined;
    socket?.destroy();
  };
}

const ends = Array.from({ length: longStreams }, () => openClient(() => "long"));
const mixed = () => {
  const chance = Math.random();
  return chance < share.stream ? "stream" : chance < share.stream + share.post ? "post" : "get";
};
for (let index = 0; index < clients; index++) ends.push(openClient(mixed));

process.on("message", async (order) => {
  if (order === "go") {
    state.paused = false;
    for (const start of idle.splice(0)) start();
  } else {
    state.paused = true;
    while (state.busy > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    if (order === "end") for (const end of ends) end();
  }
  process.send({ counts, others: [...others] });
});
process.on("disconnect", () => process.exit(0));
