/** The bodies that go through the proxies, shared by load and upstream, so that each can check the other's. */

export const path = "/v1/chat/completions";
export const alias = "fast";
export const upstreamModel = "bench-model";
/** Bytes of one streamed event. */
export const eventSize = 200;

/** A chat request of `size` bytes in turns of about 1 KB; the model comes last, as the Python client sends it. */
export function chatRequest(size, stream) {
  const turns = Array.from({ length: Math.ceil(size / 1024) - 1 }, (_, turn) => message(turn, prose(900)));
  const wrap = (content) =>
    JSON.stringify({
      messages: [...turns, message(turns.length, content)],
      temperature: 0.7,
      stream,
      model: alias,
    });
  return fill(wrap, size);
}

/** A chat answer of `size` bytes. */
export function chatReply(size) {
  const wrap = (content) =>
    JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion",
      created: 1,
      model: upstreamModel,
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
      usage: { prompt_tokens: 200, completion_tokens: 150, total_tokens: 350 },
    });
  return fill(wrap, size);
}

/** One event of a stream, `eventSize` bytes with its blank line. */
export function chatEvent() {
  const wrap = (content) =>
    `data: ${JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion.chunk",
      created: 1,
      model: upstreamModel,
      choices: [{ index: 0, delta: { content }, finish_reason: null }],
    })}\n\n`;
  return fill(wrap, eventSize);
}

function message(turn, content) {
  return { role: turn % 2 === 0 ? "user" : "assistant", content };
}

/** Escapes make the text longer on the wire than it is, hence the padding. */
function fill(wrap, size) {
  const room = size - wrap("").length;
  const content = prose(Math.floor(room * 0.9));
  return Buffer.from(wrap(content.padEnd(content.length + size - wrap(content).length, ".")));
}

/** Text with quotes and line breaks, so that scanners of JSON meet the escapes they meet in life. */
function prose(length) {
  const words =
    'The proxy reads "what it must"\nand passes on the rest as it came, byte for byte, ' +
    "so that what the client wrote is what the model sees.\n";
  return words.repeat(Math.ceil(length / words.length)).slice(0, length);
}
