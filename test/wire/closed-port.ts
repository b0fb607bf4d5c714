import { onTestFinished } from "vitest";
import { evilUpstream } from "./evil-upstream.ts";
import { rawClient } from "./raw-client.ts";

/** A URL that refuses connections until the test is over: its port is taken by the near end of a connection. */
export async function closedUrl(): Promise<string> {
  const upstream = await evilUpstream();
  const holder = await rawClient(upstream.port);
  onTestFinished(async () => {
    holder.destroy();
    await upstream.close();
  });
  return `http://127.0.0.1:${holder.localPort}`;
}
