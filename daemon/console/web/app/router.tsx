// Routes over the history API: the path says which page, the query holds a page's filters.
import type { ComponentChildren, JSX } from "preact";
import { store, useStore } from "../data/store";

export interface Place {
  path: string;
  query: URLSearchParams;
}

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

const place = store<Place>(here());
addEventListener("popstate", () => place.set(here()));

export function usePlace(): Place {
  return useStore(place);
}

export function go(url: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  const before = place.get().path;
  place.set(here());
  if (place.get().path !== before) scrollTo(0, 0);
}

/** A filter of the page: its value in the URL, and a way to set it ("" takes it out). */
export function useFilter(name: string, usual = ""): [string, (value: string) => void] {
  const { query } = usePlace();
  return [query.get(name) ?? usual, (value) => setFilters({ [name]: value === usual ? "" : value })];
}

export function setFilters(values: Record<string, string>): void {
  const now = here();
  for (const [name, value] of Object.entries(values)) {
    if (value === "") now.query.delete(name);
    else now.query.set(name, value);
  }
  const text = now.query.toString();
  go(text === "" ? now.path : `${now.path}?${text}`, { replace: true });
}

export interface Route<Page> {
  /** Such as "/console/bills/:id"; a name stands for one part. */
  pattern: string;
  page: Page;
}

export function match<Page>(
  routes: Route<Page>[],
  path: string,
): { page: Page; at: Record<string, string> } | null {
  const parts = path.split("/").filter(Boolean);
  for (const { pattern, page } of routes) {
    const wanted = pattern.split("/").filter(Boolean);
    if (wanted.length !== parts.length) continue;
    const at: Record<string, string> = {};
    const fits = wanted.every((want, index) => {
      const part = parts[index]!;
      if (!want.startsWith(":")) return want === part;
      at[want.slice(1)] = decodeURIComponent(part);
      return true;
    });
    if (fits) return { page, at };
  }
  return null;
}

interface LinkProps extends JSX.HTMLAttributes<HTMLAnchorElement> {
  to: string;
  children: ComponentChildren;
  current?: boolean;
}

/** A link inside the console; with a modifier key it opens as links do. */
export function Link({ to, children, current, ...rest }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a {...rest} href={to} onClick={follow} aria-current={current ? "page" : undefined}>
      {children}
    </a>
  );
}
