import { type AdminStatus, checkStatus } from "./admin-answers.ts";
import { type AdminAddress, createAdminClient } from "./admin-client.ts";
import { showStatus } from "./show-status.ts";

/** Shows what a running proxy says of itself. */
export async function status({ json, ...address }: AdminAddress & { readonly json: boolean }): Promise<void> {
  const client = createAdminClient(address);
  const found = checkStatus(await client.get<AdminStatus>("/status"), client.url);
  process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : showStatus(found, client.url));
}
