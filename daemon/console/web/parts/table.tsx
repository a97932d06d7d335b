// Tables: dense rows, figures right-aligned; on a narrow screen each row becomes a block of its own.
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { Paged } from "../data/use";
import { t } from "../words/words";
import { Icon } from "./icon";
import { Await } from "./status";

export interface Column<T> {
  name: string;
  cell: (row: T) => ComponentChildren;
  /** Right-aligned, with figures of one width. */
  figure?: boolean;
  /** Names the row: shown first and larger on a narrow screen. */
  head?: boolean;
}

interface TableProps<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string | number;
  foot?: ComponentChildren;
  /** Stays a table at any width, and scrolls in itself. */
  rigid?: boolean;
}

export function Table<T>({ label, columns, rows, keyOf, foot, rigid }: TableProps<T>) {
  const classOf = (column: Column<T>) =>
    [column.figure ? "figure" : "", column.head ? "head" : ""].join(" ").trim() || undefined;
  return (
    <div class={rigid ? "table-scroll" : "table-frame"} tabIndex={rigid ? 0 : undefined} role={rigid ? "region" : undefined} aria-label={rigid ? label : undefined}>
      <table role="table" aria-label={label} class={rigid ? undefined : "folding"}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.name} role="columnheader" scope="col" class={classOf(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={keyOf(row)} role="row">
              {columns.map((column) => (
                <td key={column.name} role="cell" data-name={column.name} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        {foot && <tfoot role="rowgroup">{foot}</tfoot>}
      </table>
    </div>
  );
}

/** To the pages before and after, where there are any. */
export function Pager({ of }: { of: Paged<unknown> }) {
  if (!of.hasNext && !of.hasPrevious) return null;
  return (
    <nav class="pager" aria-label={t.common.pages}>
      <span class="muted">{t.common.page(String(of.page))}</span>
      <button type="button" disabled={!of.hasPrevious} onClick={of.previous}>
        <Icon name="left" />
        {t.common.previous}
      </button>
      <button type="button" disabled={!of.hasNext} onClick={of.next}>
        {t.common.next}
        <Icon name="right" />
      </button>
    </nav>
  );
}

interface ListProps<T> extends Omit<TableProps<T>, "rows"> {
  of: Paged<T>;
  empty: ComponentChildren;
}

/** A list that the server pages. `j` and `k` go from row to row. */
export function List<T>({ of, empty, ...table }: ListProps<T>) {
  const frame = useRef<HTMLDivElement>(null);
  return (
    <div ref={frame} class="list" data-list>
      <Await of={of} rows={10}>
        {(rows) => (rows.length === 0 && !of.hasPrevious ? empty : <Table {...table} rows={rows} />)}
      </Await>
      <Pager of={of} />
    </div>
  );
}

/** Moves the focus to the next or the last row's link. */
export function moveInList(step: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>("[data-list] td.head a")];
  if (links.length === 0) return;
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
  links[Math.min(links.length - 1, Math.max(0, next))]?.focus();
}
