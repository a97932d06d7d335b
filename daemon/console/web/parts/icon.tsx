// Icons, drawn in the colour of the text and silent: the word beside them speaks.
const PATHS = {
  overview: "M3 3h6v7H3zM11 3h6v4h-6zM11 9h6v8h-6zM3 12h6v5H3z",
  tenants: "M3 17V6l6-3v14M9 8l8 2v7M2 17h16M5.5 8v0M5.5 11v0M5.5 14v0M12.5 12.5v0M12.5 15v0",
  resources: "M3 6l7-3.5L17 6l-7 3.5L3 6zM3 10l7 3.5L17 10M3 14l7 3.5 7-3.5",
  usage: "M3 17V3M3 17h14M6 13l3-4 3 2.5L17 6",
  quotas: "M4 15.5a8 8 0 1 1 12 0M10 11l3.5-4M10 11a1 1 0 1 0 0 .1z",
  bills: "M5 2.5h10v15l-2.5-1.5L10 17.5 7.5 16 5 17.5zM8 6.5h4M8 9.5h4M8 12.5h2",
  exports: "M10 3v9M6.5 8.5L10 12l3.5-3.5M3 13v4h14v-4",
  operations: "M10 5.5V10l3 2M17 10a7 7 0 1 1-2-4.9M17 2.5v3h-3",
  docs: "M3 4h5.5A1.5 1.5 0 0 1 10 5.5v11A2 2 0 0 0 8 15H3zM17 4h-5.5A1.5 1.5 0 0 0 10 5.5v11a2 2 0 0 1 2-1.5h5z",
  search: "M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12zM13.5 13.5L17 17",
  copy: "M7 7V3h10v10h-4M3 7h10v10H3z",
  check: "M4 10.5l4 4 8-9",
  close: "M5 5l10 10M15 5L5 15",
  menu: "M3 5h14M3 10h14M3 15h14",
  account: "M10 10a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3.5 17c.6-3.2 3.2-5 6.5-5s5.9 1.8 6.5 5",
  light: "M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.5 1.5M14.2 14.2l1.5 1.5M15.7 4.3l-1.5 1.5M5.8 14.2l-1.5 1.5",
  dark: "M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z",
  system: "M2.5 4h15v10h-15zM7 17h6M10 14v3",
  language: "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15zM2.5 10h15M10 2.5c2.2 2.2 3.2 4.7 3.2 7.5s-1 5.3-3.2 7.5c-2.2-2.2-3.2-4.7-3.2-7.5s1-5.3 3.2-7.5z",
  print: "M6 7V3h8v4M6 14H3V7h14v7h-3M6 11.5h8V17H6z",
  down: "M5 7.5l5 5 5-5",
  left: "M12.5 5l-5 5 5 5",
  right: "M7.5 5l5 5-5 5",
  warning: "M10 3L2 17h16zM10 8v4M10 14.5v0",
  plus: "M10 4v12M4 10h12",
  edit: "M4 16l.8-3.5L13 4.3l2.7 2.7-8.2 8.2z",
  download: "M10 3v10M6 9.5l4 4 4-4M4 17h12",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <path d="M9.5 21.5h12.6a4.4 4.4 0 0 0 .7-8.75A6.6 6.6 0 0 0 10.2 14a3.8 3.8 0 0 0-.7 7.5Z" />
      <path d="M13 21.5v-3.2M16.2 21.5v-5.6M19.4 21.5v-4.2" />
    </svg>
  );
}
