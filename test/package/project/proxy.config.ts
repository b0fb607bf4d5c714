import { defineProxy } from "plugboard";
import { alias, mockBackend, sse, stats } from "plugboard/plugins";
import { roundRobin } from "plugboard/plugins/select/round-robin";
import { greet } from "./greet.ts";

export default defineProxy({
  plugins: [
    mockBackend({ backends: [{ id: "packed", models: ["small"] }] }),
    roundRobin(),
    alias({ fast: { targets: [{ model: "small" }] } }),
    sse(),
    stats(),
    greet({ greeting: "hello" }),
  ],
});
