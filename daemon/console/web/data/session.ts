// Who is signed in, what they may do, and the zone that the platform bills by: GET /v1/me.
import { get, onSignedOut, post, remove, type Answer } from "./client";
import { store } from "./store";

export type Me = Answer<"/v1/me">;

/** null: nobody; undefined: not known yet. */
export const session = store<Me | null | undefined>(undefined);
/** Set when a session ended by itself, so that sign-in says so. */
export const expired = store(false);

// A page cannot see the session's cookie; this tells whether it is worth to ask.
const KEPT_AS = "bccd.signed-in";

onSignedOut(() => {
  localStorage.removeItem(KEPT_AS);
  expired.set(session.get() != null);
  session.set(null);
});

/** Throws what went wrong; of a session that is not there `session` is null then. */
export async function loadSession(): Promise<void> {
  if (localStorage.getItem(KEPT_AS) === null) {
    session.set(null);
    return;
  }
  session.set(await get("/v1/me"));
}

export async function signIn(email: string, password: string): Promise<void> {
  await post("/v1/sessions", { body: { email, password } });
  localStorage.setItem(KEPT_AS, "yes");
  await loadSession();
  expired.set(false);
}

export async function signOut(): Promise<void> {
  await remove("/v1/sessions/current");
  localStorage.removeItem(KEPT_AS);
  expired.set(false);
  session.set(null);
}

export function me(): Me {
  const known = session.get();
  if (known == null) throw new Error("nobody is signed in");
  return known;
}

export function zone(): string {
  return session.get()?.time_zone ?? "UTC";
}

export function may(permission: string): boolean {
  return me().permissions.includes(permission);
}

export function isOperator(): boolean {
  return me().side === "operator";
}
