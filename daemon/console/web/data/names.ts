// Names of what ids stand for: read once, bounded, and asked for only where a page shows them. What
// is not among them is shown by its id.
import { get, type Schemas } from "./client";
import { isOperator, may, session } from "./session";
import { useLoaded } from "./use";

const MOST = 500; // the largest page of the API

const kept = new Map<string, Promise<unknown>>();
session.watch(() => {
  if (session.get() == null) kept.clear();
});

function once<T>(name: string, load: () => Promise<T>): Promise<T> {
  let promise = kept.get(name) as Promise<T> | undefined;
  if (promise === undefined) {
    promise = load();
    kept.set(name, promise);
    promise.catch(() => kept.delete(name));
  }
  return promise;
}

export function loadTenants(): Promise<Schemas["Tenant"][]> {
  return once("tenants", async () => (await get("/v1/tenants", { query: { limit: MOST } })).data);
}

function useKept<T>(name: string, wanted: boolean, load: () => Promise<T>): T | undefined {
  return useLoaded(wanted ? name : null, () => once(name, load)).data;
}

export function useTenants(): Schemas["Tenant"][] {
  return useKept("tenants", may("tenants:read") && isOperator(), loadTenants) ?? [];
}

export function useParks(): Schemas["Park"][] {
  const load = async () => (await get("/v1/parks", { query: { limit: MOST } })).data;
  return useKept("parks", may("tenants:read"), load) ?? [];
}

export function useOfferings(): Schemas["Offering"][] {
  const load = async () => (await get("/v1/offerings", { query: { limit: MOST } })).data;
  return useKept("offerings", may("catalog:read"), load) ?? [];
}

export function usePlans(): Schemas["Plan"][] {
  const load = async () => (await get("/v1/plans", { query: { limit: MOST } })).data;
  return useKept("plans", may("catalog:read"), load) ?? [];
}

export function useMeters(): Schemas["Meter"][] {
  const load = async () => (await get("/v1/meters", { query: { limit: MOST } })).data;
  return useKept("meters", may("meters:read"), load) ?? [];
}

export function useResource(id: string): Schemas["Resource"] | undefined {
  return useKept(`resource ${id}`, may("resources:read"), () => get("/v1/resources/{resource_id}", { at: { resource_id: id } }));
}

/** Names of people and keys, as far as the caller sees them. */
function useActors(): { id: string; name: string }[] {
  const users = async () => (await get("/v1/users", { query: { limit: MOST } })).data;
  const keys = async () => (await get("/v1/api-keys", { query: { limit: MOST } })).data;
  return [
    ...(useKept("users", may("users:read"), users) ?? []),
    ...(useKept("keys", may("api-keys:read"), keys) ?? []),
  ];
}

/** Who did something; undefined until it is known, or for ever. */
export function useActorName(id: string): string | undefined {
  return useActors().find((actor) => actor.id === id)?.name;
}
