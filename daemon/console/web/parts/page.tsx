// The frame of a page: its title, what can be done, and its panels.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Link } from "../app/router";
import { t } from "../words/words";
import { Icon } from "./icon";

interface PageProps {
  title: string;
  /** Where the page hangs in: the list that it is of. */
  up?: { to: string; name: string };
  /** Beside the title: a state. */
  state?: ComponentChildren;
  /** Below the title: an id, a line of context. */
  under?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, up, state, under, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
  }, [title, t]);
  return (
    <>
      <div class="page-head">
        <div class="page-title">
          {up && (
            <Link to={up.to} class="up">
              <Icon name="left" />
              {up.name}
            </Link>
          )}
          <div class="title-row">
            <h1>{title}</h1>
            {state}
          </div>
          {under && <div class="under">{under}</div>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

interface PanelProps {
  title?: string;
  note?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}

export function Panel({ title, note, children, class: also }: PanelProps) {
  return (
    <section class={`panel ${also ?? ""}`}>
      {(title || note) && (
        <header class="panel-head">
          {title && <h2>{title}</h2>}
          {note && <span class="muted">{note}</span>}
        </header>
      )}
      {children}
    </section>
  );
}

export interface Tab {
  to: string;
  name: string;
  current: boolean;
}

export function Tabs({ label, tabs }: { label: string; tabs: Tab[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <Link key={tab.to} to={tab.to} current={tab.current}>
          {tab.name}
        </Link>
      ))}
    </nav>
  );
}
