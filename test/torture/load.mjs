import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Sends requests over `clients` kept connections, each one after the other, until `stop`, or `count` of them; `pause`
 * tells the milliseconds between two. `failed` are those that were not answered with 200. With `untilRefused` a client whose new connection is not taken stops, and is counted apart: a
 * port that closes resets what it has not yet accepted.
 */
export function startLoad(
  port,
  { clients = 20, method = "GET", path = "/", count = Infinity, pause, untilRefused = false, onAnswer = () => {} } = {},
) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const failed = [];
  const state = { stopped: false, sent: 0, answered: 0, refused: 0 };
  const one = () =>
    new Promise((resolve) => {
      const fail = (why) => {
        failed.push(why);
        resolve(true);
      };
      const body = method === "POST" ? "hello" : "";
      const headers = method === "POST" ? { "content-length": body.length } : {};
      const req = request({ port, host: "127.0.0.1", agent, method, path, headers }, (res) => {
        let text = "";
        res.setEncoding("utf8").on("data", (piece) => void (text += piece));
        res.on("error", (error) => fail(error.message));
        res.on("end", () => {
          if (res.statusCode !== 200) return fail(`status ${res.statusCode}`);
          state.answered++;
          onAnswer(text);
          resolve(true);
        });
      });
      req.on("error", (error) => {
        if (!untilRefused || !notTaken(error, req)) return fail(error.message);
        state.refused++;
        resolve(false);
      });
      req.end(body);
    });
  const client = async () => {
    let goesOn = true;
    while (goesOn && !state.stopped && state.sent < count) {
      state.sent++;
      goesOn = await one();
      if (pause !== undefined) await delay(pause());
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  const done = async () => {
    await all;
    agent.destroy();
    return { ...state, failed };
  };
  return {
    failed,
    get sent() {
      return state.sent;
    },
    /** All have been sent and answered. */
    done,
    /** Lets what was sent be answered. */
    stop() {
      state.stopped = true;
      return done();
    },
  };
}

function notTaken({ code }, { reusedSocket }) {
  return code === "ECONNREFUSED" || (code === "ECONNRESET" && !reusedSocket);
}
