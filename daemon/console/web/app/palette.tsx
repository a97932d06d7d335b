// Ctrl-K: finds pages, tenants by name, anything by its id, and actions.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Schemas } from "../data/client";
import { loadTenants } from "../data/names";
import { isOperator, may, signOut } from "../data/session";
import { t, named, setLanguage } from "../words/words";
import { menu, placeOfId } from "./menu";
import { go } from "./router";
import { setTheme, type Theme } from "./theme";

interface Found {
  name: string;
  note: string;
  run: () => void;
  /** More to be found by, beside the name. */
  also?: string;
}

const MOST = 8; // shown at once
const AN_ID = /^(ten|res|quo|inv|crn|exp)_[0-9a-hjkmnp-tv-z]{26}$/;
const THEMES: Theme[] = ["light", "dark", "system"];

function everything(tenants: Schemas["Tenant"][]): Found[] {
  const to = (url: string) => () => go(url);
  return [
    ...menu().map((item) => ({ name: item.name, note: t.palette.page, run: to(item.to) })),
    { name: t.nav.docs, note: t.palette.page, run: () => location.assign("/docs") },
    ...(may("exports:write") ? [{ name: t.exports.create, note: t.palette.action, run: to("/console/exports?new=1") }] : []),
    ...(may("quotas:write") ? [{ name: t.quotas.create, note: t.palette.action, run: to("/console/quotas?new=1") }] : []),
    ...(may("resources:operate")
      ? [{ name: t.palette.waiting, note: t.palette.action, run: to("/console/resources?state=requested,approved,provisioning") }]
      : []),
    { name: "English", note: t.nav.language, run: () => setLanguage("en") },
    { name: "简体中文", note: t.nav.language, run: () => setLanguage("zh-CN"), also: "chinese zhongwen" },
    ...THEMES.map((value) => ({ name: t.themes[value], note: t.nav.theme, run: () => setTheme(value) })),
    { name: t.nav.signOut, note: t.palette.action, run: () => void signOut() },
    ...tenants.map((tenant) => ({
      name: named(tenant),
      note: t.tenants.one,
      also: `${tenant.name} ${tenant.name_en} ${tenant.code} ${tenant.external_id ?? ""}`,
      run: to(`/console/tenants/${tenant.id}`),
    })),
  ];
}

function find(text: string, tenants: Schemas["Tenant"][]): Found[] {
  const wanted = text.trim().toLowerCase();
  if (AN_ID.test(wanted)) {
    const place = placeOfId(wanted);
    if (place) return [{ name: wanted, note: t.palette.open, run: () => go(place) }];
  }
  return everything(tenants)
    .filter(({ name, also = "" }) => `${name} ${also}`.toLowerCase().includes(wanted))
    .slice(0, MOST);
}

export function Palette({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [tenants, setTenants] = useState<Schemas["Tenant"][]>([]);
  const listId = useId();
  useEffect(() => {
    dialog.current!.showModal();
    if (isOperator() && may("tenants:read")) loadTenants().then(setTenants, () => {});
  }, []);
  const found = find(text, tenants);
  const run = (entry: Found | undefined) => {
    if (entry === undefined) return;
    close();
    entry.run();
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setAt((old) => Math.max(0, Math.min(found.length - 1, old + step)));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(found[at]);
    }
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label={t.palette.title}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="dialog-body">
        <input
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={found[at] ? `${listId}-${at}` : undefined}
          aria-label={t.palette.title}
          placeholder={t.palette.hint}
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={key}
        />
        <ul id={listId} role="listbox" aria-label={t.palette.title}>
          {found.map((entry, index) => (
            <li
              key={entry.note + entry.name}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === at}
              onMouseMove={() => setAt(index)}
              onClick={() => run(entry)}
            >
              <span>{entry.name}</span>
              <span class="muted">{entry.note}</span>
            </li>
          ))}
        </ul>
        {found.length === 0 && <p class="empty">{t.palette.nothing}</p>}
      </div>
    </dialog>
  );
}
