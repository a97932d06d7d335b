// Data for components: read once its inputs change, with the old answer kept while the next comes.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, type Answer, type Extra, type PathOf, type Query } from "./client";

export interface Loaded<T> {
  data: T | undefined;
  error: Error | undefined;
  loading: boolean;
  /** When `data` came, in milliseconds. */
  at: number;
  reload: () => void;
}

/** Runs `load` again whenever `key` changes; null as key loads nothing. */
export function useLoaded<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
): Loaded<T> {
  const [state, setState] = useState<{ key: string | null; data?: T; error?: Error; at: number }>({
    key: null,
    at: 0,
  });
  const [loading, setLoading] = useState(key !== null);
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    if (key === null) return;
    const abort = new AbortController();
    setLoading(true);
    latest.current(abort.signal).then(
      (data) => {
        setState({ key, data, at: Date.now() });
        setLoading(false);
      },
      (error: Error) => {
        if (abort.signal.aborted) return;
        setState((old) => ({ ...(old.key === key ? old : { at: 0 }), key, error }));
        setLoading(false);
      },
    );
    return () => abort.abort();
  }, [key, round]);

  const reload = useCallback(() => setRound((value) => value + 1), []);
  const own = state.key === key;
  return {
    data: state.data,
    error: own ? state.error : undefined,
    loading: loading || (key !== null && !own),
    at: state.at,
    reload,
  };
}

export function useGet<P extends PathOf<"get">>(
  path: P | null,
  extra: Extra<P> & { query?: Query<P> } = {},
): Loaded<Answer<P>> {
  const key = path === null ? null : JSON.stringify([path, extra.at, extra.query]);
  return useLoaded(key, (signal) => get(path as P, { ...extra, signal }));
}

/** Calls `reload` every `milliseconds` while `wanted` and the page is looked at. */
export function usePolling(reload: () => void, wanted: boolean, milliseconds = 2000): void {
  useEffect(() => {
    if (!wanted) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") reload();
    }, milliseconds);
    return () => clearInterval(timer);
  }, [reload, wanted, milliseconds]);
}

export interface Paged<T> extends Loaded<T[]> {
  hasNext: boolean;
  hasPrevious: boolean;
  next: () => void;
  previous: () => void;
  page: number;
}

interface PageOf<T> {
  data: T[];
  next_cursor: string | null;
}

export type ListPath = {
  [P in PathOf<"get">]: Answer<P> extends PageOf<unknown> ? P : never;
}[PathOf<"get">];
export type ItemOf<P extends ListPath> = Answer<P>["data"][number];

/** A list that the server filters, sorts and pages; cursors of the pages before are kept. */
export function usePaged<P extends ListPath>(
  path: P,
  extra: Extra<P> & { query?: Query<P> } = {},
  limit = 50,
): Paged<ItemOf<P>> {
  const filters = JSON.stringify([path, extra.at, extra.query]);
  const [cursors, setCursors] = useState<{ filters: string; list: string[] }>({ filters, list: [] });
  const list = cursors.filters === filters ? cursors.list : [];
  const cursor = list[list.length - 1];
  const loaded = useLoaded<PageOf<ItemOf<P>>>(
    `${filters} ${cursor ?? ""}`,
    async (signal) =>
      (await get(path, {
        ...extra,
        query: { ...extra.query, limit, cursor } as unknown as Query<P>,
        signal,
      })) as PageOf<ItemOf<P>>,
  );
  const nextCursor = loaded.data?.next_cursor ?? null;
  return {
    ...loaded,
    data: loaded.data?.data,
    hasNext: nextCursor !== null,
    hasPrevious: list.length > 0,
    next: () => nextCursor !== null && setCursors({ filters, list: [...list, nextCursor] }),
    previous: () => setCursors({ filters, list: list.slice(0, -1) }),
    page: list.length + 1,
  };
}
