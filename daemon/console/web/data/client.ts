// Requests of the API, typed by the contract: a path, its parameters and its answer cannot be
// spelled wrong. Every answer that is not a success is thrown as a Refusal with the server's reason.
import type { components, paths } from "./contract";
import { language } from "../words/words";

export type Schemas = components["schemas"];
export type Money = Schemas["Money"];
export type Problem = Schemas["Problem"];

type Method = "get" | "post" | "patch" | "delete";
type Of<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
export type PathOf<M extends Method> = {
  [P in keyof paths]: undefined extends paths[P][M] ? never : P;
}[keyof paths] &
  string;

type Json<R> = R extends { content: { "application/json": infer B } } ? B : undefined;
type Success<R> = {
  [S in keyof R]: S extends 200 | 201 | 202 | 204 ? Json<R[S]> : never;
}[keyof R];
export type Answer<P extends keyof paths, M extends Method = "get"> =
  Of<P, M> extends { responses: infer R } ? Success<R> : never;
export type Body<P extends keyof paths, M extends Method> =
  Of<P, M> extends { requestBody?: infer B }
    ? NonNullable<B> extends { content: { "application/json": infer J } }
      ? J
      : undefined
    : undefined;
export type Query<P extends keyof paths> =
  Of<P, "get"> extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;
type InPath<P extends string> = P extends `${string}{${infer Name}}${infer Rest}`
  ? { [N in Name]: string | number } & InPath<Rest>
  : object;

export interface Extra<P extends string> {
  at?: InPath<P>;
  query?: object;
  signal?: AbortSignal;
}

export interface Answered<T> {
  data: T;
  etag: string | null;
  location: string | null;
}

/** What the server said no with; `problem.detail` is its reason in the reader's language. */
export class Refusal extends Error {
  constructor(
    readonly problem: Problem,
    readonly retryAfter: number | null = null,
  ) {
    super(problem.detail);
  }
}

/** No answer came at all. */
export class Unreachable extends Error {}

type Listener = () => void;
let whenSignedOut: Listener = () => {};
/** Called when the server no longer knows the session. */
export function onSignedOut(listener: Listener): void {
  whenSignedOut = listener;
}

export function address(path: string, at: object = {}, query: object = {}): string {
  const values = at as Record<string, string | number>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(values[name])),
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== null && value !== "")
      search.set(name, Array.isArray(value) ? value.join(",") : String(value));
  const text = search.toString();
  return text === "" ? filled : `${filled}?${text}`;
}

async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("json")) return (await response.json()) as Problem;
  const status = response.status;
  return { type: "about:blank", title: String(status), status, detail: response.statusText, code: "" };
}

async function ask(method: string, url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      credentials: "same-origin",
      ...init,
      headers: { "Accept-Language": language(), Accept: "application/json", ...init.headers },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (response.status === 401 && problem.code === "unauthenticated") whenSignedOut();
    const wait = Number(response.headers.get("Retry-After"));
    throw new Refusal(problem, wait > 0 ? wait : null);
  }
  return response;
}

async function send<T>(method: string, url: string, init: RequestInit): Promise<Answered<T>> {
  const response = await ask(method, url, init);
  const empty = response.status === 204;
  return {
    data: (empty ? undefined : await response.json()) as T,
    etag: response.headers.get("ETag"),
    location: response.headers.get("Location"),
  };
}

export async function read<P extends PathOf<"get">>(
  path: P,
  extra: Extra<P> & { query?: Query<P> } = {},
): Promise<Answered<Answer<P>>> {
  const signal = extra.signal ?? null;
  return send("GET", address(path, extra.at, extra.query), { signal });
}

export async function get<P extends PathOf<"get">>(
  path: P,
  extra: Extra<P> & { query?: Query<P> } = {},
): Promise<Answer<P>> {
  return (await read(path, extra)).data;
}

/** The same as a table, for spreadsheets: the mark before it tells them that it is UTF-8. */
export async function csv<P extends PathOf<"get">>(
  path: P,
  extra: Extra<P> & { query?: Query<P> } = {},
): Promise<Blob> {
  const response = await ask("GET", address(path, extra.at, extra.query), { headers: { Accept: "text/csv" } });
  return new Blob(["\ufeff", await response.text()], { type: "text/csv" });
}

/** A new key for a thing to be done; keep it for the retries of that thing. */
export function newKey(): string {
  return crypto.randomUUID();
}

function bodyOf(body: unknown): { body: string | null; headers: Record<string, string> } {
  if (body === undefined) return { body: null, headers: {} };
  return { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

/** `key` goes as Idempotency-Key where the operation takes one. */
export async function post<P extends PathOf<"post">>(
  path: P,
  extra: Extra<P> & { body?: Body<P, "post">; key?: string } = {},
): Promise<Answered<Answer<P, "post">>> {
  const { body, headers } = bodyOf(extra.body);
  if (extra.key !== undefined) headers["Idempotency-Key"] = extra.key;
  return send("POST", address(path, extra.at), { body, headers });
}

/** Changes the version that was seen; a stale one is refused by the server. */
export async function patch<P extends PathOf<"patch">>(
  path: P,
  extra: Extra<P> & { body: Body<P, "patch">; version: string },
): Promise<Answered<Answer<P, "patch">>> {
  const { body, headers } = bodyOf(extra.body);
  return send("PATCH", address(path, extra.at), { body, headers: { ...headers, "If-Match": extra.version } });
}

/** `version` goes as If-Match where the operation takes one. */
export async function remove<P extends PathOf<"delete">>(
  path: P,
  extra: Extra<P> & { version?: string } = {},
): Promise<void> {
  const headers: Record<string, string> = extra.version === undefined ? {} : { "If-Match": extra.version };
  await send("DELETE", address(path, extra.at), { headers });
}
