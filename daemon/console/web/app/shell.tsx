// What is around every page: the rail, the header, the keys, and sign-in for who is not known.
import { useEffect, useState } from "preact/hooks";
import { loadSession, may, me, session, signOut } from "../data/session";
import { useStore } from "../data/store";
import { useGet, usePolling } from "../data/use";
import { Dialog } from "../parts/dialog";
import { Icon, Mark } from "../parts/icon";
import { Page } from "../parts/page";
import { Empty, ErrorBox, Skeleton } from "../parts/status";
import { moveInList } from "../parts/table";
import { Toasts } from "../parts/toast";
import { SignInPage } from "../pages/sign_in";
import { languages, t, wordFor } from "../words/words";
import { menu, routes, type MenuItem } from "./menu";
import { Palette } from "./palette";
import { Preferences } from "./preferences";
import { go, Link, match, usePlace } from "./router";

const RUNNING_EVERY = 5000; // milliseconds

function isCurrent({ to, also = to }: MenuItem, path: string): boolean {
  if (to === "/console/") return path === "/console/" || path === "/console";
  return [to, also].some((place) => path === place || path.startsWith(`${place}/`));
}

function Rail({ open, close }: { open: boolean; close: () => void }) {
  const { path } = usePlace();
  return (
    <nav class={`rail ${open ? "open" : ""}`} aria-label={t.nav.main} id="rail">
      <Link to="/console/" class="brand" onClickCapture={close}>
        <Mark />
        <span>{t.product}</span>
      </Link>
      <ul onClick={close}>
        {menu().map((item) => (
          <li key={item.to}>
            <Link to={item.to} current={isCurrent(item, path)}>
              <Icon name={item.icon} />
              {item.name}
            </Link>
          </li>
        ))}
      </ul>
      <div class="rail-foot">
        <a href="/docs">
          <Icon name="docs" />
          {t.nav.docs}
        </a>
      </div>
    </nav>
  );
}

/** How many operations are under way; the list is a press away. */
function Running() {
  const running = useGet("/v1/operations", { query: { state: ["queued", "running"], limit: 100 } });
  usePolling(running.reload, true, RUNNING_EVERY);
  const count = running.data?.data.length ?? 0;
  if (count === 0) return null;
  return (
    <Link to="/console/operations" class="running">
      <span class="spinner" aria-hidden="true" />
      {t.nav.running(count)}
    </Link>
  );
}

function Account() {
  const { user, role, tenant, api_key } = me();
  const name = user?.name ?? api_key?.name ?? "";
  return (
    <details class="account">
      <summary aria-label={t.nav.account} title={name}>
        <Icon name="account" />
      </summary>
      <div class="account-card">
        <strong>{name}</strong>
        {user && user.email !== name && <span class="muted">{user.email}</span>}
        <span>{wordFor(t.roles, role)}</span>
        {tenant && <span>{tenant.name}</span>}
        <button type="button" onClick={() => void signOut()}>
          {t.nav.signOut}
        </button>
      </div>
    </details>
  );
}

function Keys({ close }: { close: () => void }) {
  return (
    <Dialog title={t.keys.title} close={close}>
      <dl class="keys">
        {t.keys.list.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
}

function useKeys(openPalette: () => void, openKeys: () => void): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        openPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
      if (event.key === "?") openKeys();
      else if (event.key === "j") moveInList(1);
      else if (event.key === "k") moveInList(-1);
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLElement>("[data-filters] select, [data-filters] input")?.focus();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function Content() {
  const { path } = usePlace();
  const found = match(routes, path === "/login" ? "/console/" : path);
  if (found === null)
    return (
      <Page title={t.common.noPage}>
        <Empty text={t.common.noPageText}>
          <Link to="/console/" class="button">
            {t.nav.overview}
          </Link>
        </Empty>
      </Page>
    );
  return <found.page key={Object.values(found.at).join()} at={found.at} />;
}

function Console() {
  const [railOpen, setRailOpen] = useState(false);
  const [shown, setShown] = useState<"palette" | "keys" | null>(null);
  const { path } = usePlace();
  useKeys(() => setShown("palette"), () => setShown("keys"));
  useEffect(() => setRailOpen(false), [path]);
  return (
    <div class="frame">
      <a class="skip" href="#content">
        {t.nav.skip}
      </a>
      <Rail open={railOpen} close={() => setRailOpen(false)} />
      {railOpen && <div class="rail-shade" onClick={() => setRailOpen(false)} />}
      <div class="body">
        <header class="top">
          <button type="button" class="icon-button rail-button" aria-label={t.nav.main} aria-expanded={railOpen} aria-controls="rail" onClick={() => setRailOpen(!railOpen)}>
            <Icon name="menu" />
          </button>
          <button type="button" class="finder" onClick={() => setShown("palette")}>
            <Icon name="search" />
            <span>{t.palette.button}</span>
            <kbd>Ctrl K</kbd>
          </button>
          <span class="spacer" />
          {may("operations:read") && <Running />}
          <Preferences />
          <Account />
        </header>
        <main id="content" tabIndex={-1}>
          <Content />
        </main>
      </div>
      {shown === "palette" && <Palette close={() => setShown(null)} />}
      {shown === "keys" && <Keys close={() => setShown(null)} />}
      <Toasts />
    </div>
  );
}

export function Shell() {
  const known = useStore(session);
  const [failed, setFailed] = useState<Error>();
  const { path } = usePlace();
  useStore(languages);
  const load = () => {
    setFailed(undefined);
    loadSession().catch((error: Error) => {
      if (session.get() !== null) setFailed(error);
    });
  };
  useEffect(load, []);
  useEffect(() => {
    if (known && path === "/login") go("/console/", { replace: true });
  }, [known, path]);
  if (known === undefined)
    return <div class="door">{failed ? <ErrorBox error={failed} retry={load} /> : <Skeleton />}</div>;
  return known === null ? <SignInPage /> : <Console />;
}
