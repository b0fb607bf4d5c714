import type { RegistrationBody } from "./_registrar.ts";
import type { RegistryRequest } from "./_registrar-client.ts";

export type Action = "register" | "change" | "beat";

export interface Terms {
  readonly leaseId: string;
  readonly lease: number;
}

/** The lease id is in header and body: proxies on the way drop headers they do not know, and DELETE has no body. */
export const requests: Readonly<Record<Action, (body: RegistrationBody, terms: Terms) => RegistryRequest>> = {
  register: (body, { leaseId, lease }) => ({
    method: "POST",
    path: "/services",
    leaseId,
    body: { ...body, lease, lease_id: leaseId },
  }),
  change: ({ name, ...body }, { leaseId }) => ({
    method: "PUT",
    path: pathOf(name),
    leaseId,
    body: { ...body, lease_id: leaseId },
  }),
  beat: ({ name, status }, { leaseId }) => ({
    method: "POST",
    path: `${pathOf(name)}/heartbeat`,
    leaseId,
    body: { status, lease_id: leaseId },
  }),
};

export function deregistration(name: string, leaseId: string): RegistryRequest {
  return { method: "DELETE", path: pathOf(name), leaseId };
}

function pathOf(name: string): string {
  return `/services/${encodeURIComponent(name)}`;
}
