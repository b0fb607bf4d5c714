import OpenAI from "openai";

/** What a request says of itself, so that workers and plugins know it. */
export const userOf = (json: { readonly user?: unknown } | undefined): string => String(json?.user);

/** One chat; what happens to a client that leaves is up to `left`. */
export interface Chat {
  readonly client: OpenAI;
  readonly user: string;
  readonly stream: boolean;
  readonly left: AbortController;
  /** Told the text so far, of a stream. */
  onText?(text: string): void;
}

/** The text of the answer; undefined for a client that left, or that was told of an error. */
export async function chat(it: Chat): Promise<string | undefined> {
  try {
    return await (it.stream ? streamed(it) : whole(it));
  } catch (error) {
    if (error instanceof OpenAI.OpenAIError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const toBody = (user: string): OpenAI.ChatCompletionCreateParamsNonStreaming => ({
  model: "m",
  user,
  messages: [{ role: "user", content: "hello" }],
  max_tokens: 3,
});

async function whole({ client, user, left }: Chat): Promise<string> {
  const answer = await client.chat.completions.create(toBody(user), { signal: left.signal });
  return answer.choices[0]?.message.content ?? "";
}

async function streamed({ client, user, left: { signal }, onText }: Chat): Promise<string | undefined> {
  let text = "";
  let finished = false;
  for await (const chunk of await client.chat.completions.create({ ...toBody(user), stream: true }, { signal })) {
    text += chunk.choices[0]?.delta.content ?? "";
    finished ||= chunk.choices[0]?.finish_reason === "length";
    onText?.(text);
  }
  if (signal.aborted) return undefined;
  if (!finished) throw new Error(`A stream that was cut ended cleanly after "${text}".`);
  return text;
}
