import { Agent, request } from "node:http";
import { createProxy, definePlugin } from "plugboard";
import { expect, test } from "vitest";

const refusing = definePlugin({
  name: "refusing",
  setup(proxy) {
    proxy.needs({ body: "json" });
    return { inspect: () => ({ status: 400, body: "no" }) };
  },
});

test("a refusal of a request that was read to its end leaves the connection open", async () => {
  const proxy = await createProxy({ plugins: [refusing()] });
  const { port } = await proxy.listen();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { "content-type": "application/json" };
  const ports = new Set<number | undefined>();
  for (let turn = 0; turn < 3; turn++) {
    const response = await new Promise<string | undefined>((resolve, reject) => {
      const sent = request({ port, agent, headers, method: "POST" }, (answer) => {
        ports.add(answer.socket.localPort);
        answer.resume().once("end", () => resolve(answer.headers.connection));
      });
      sent.once("error", reject).end("{}");
    });
    expect(response).toBe("keep-alive");
  }
  expect(ports.size).toBe(1);
  agent.destroy();
  await proxy.close();
});
