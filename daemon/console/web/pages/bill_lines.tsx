// The lines of a bill, each with its explanation, or of a credit note, which are amounts and explain
// themselves; and their sums.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Money, Schemas } from "../data/client";
import type { Paged } from "../data/use";
import { day, lastDay, money, monthName, percent, quantity } from "../parts/format";
import { Icon } from "../parts/icon";
import { Await, Empty } from "../parts/status";
import { Pager } from "../parts/table";
import { language, t } from "../words/words";

type Line = Schemas["InvoiceLine"];
type Explain = (line: number) => ComponentChildren;

interface Paper {
  net: Money;
  tax: Money;
  total: Money;
}

const lineName = (line: Line) => (language() === "en" && line.description_en ? line.description_en : line.description);

function LineRows({ line, zone, explain }: { line: Line; zone: string; explain?: Explain }) {
  const [open, setOpen] = useState(false);
  const id = `line-${line.line}`;
  const from = day(line.service_starts_at, zone);
  const to = lastDay(line.service_ends_at, zone);
  return (
    <>
      <tr role="row" class={open ? "opened" : undefined}>
        <td role="cell" data-name={t.bills.line} class="figure line-number">{line.line}</td>
        <td role="cell" data-name={t.bills.charge} class="head">
          {explain ? (
            <button type="button" class="expander" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
              <Icon name={open ? "down" : "right"} />
              {lineName(line)}
            </button>
          ) : (
            lineName(line)
          )}
          {line.correction_of && explain && <span class="badge warning">{t.bills.correctionOf(monthName(line.correction_of))}</span>}
        </td>
        <td role="cell" data-name={t.bills.service}>{from === to ? from : `${from} – ${to}`}</td>
        <td role="cell" data-name={t.bills.quantity} class="figure">{explain ? quantity(line.quantity, line.unit) : "—"}</td>
        <td role="cell" data-name={t.bills.net} class="figure">{money(line.net)}</td>
        <td role="cell" data-name={t.bills.rate} class="figure">{percent(line.tax_rate)}</td>
        <td role="cell" data-name={t.bills.tax} class="figure">{money(line.tax)}</td>
      </tr>
      {explain && (
        <tr role="row" id={id} class="explained" hidden={!open}>
          <td role="cell" colSpan={7}>{open && explain(line.line)}</td>
        </tr>
      )}
    </>
  );
}

function Sums({ paper }: { paper: Paper }) {
  const sums: [string, Money][] = [
    [t.bills.net, paper.net],
    [t.bills.tax, paper.tax],
    [t.bills.total, paper.total],
  ];
  return (
    <dl class="sums">
      {sums.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{money(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

interface BillLinesProps {
  of: Paged<Line>;
  paper: Paper;
  zone: string;
  explain?: Explain;
}

export function BillLines({ of, paper, zone, explain }: BillLinesProps) {
  return (
    <Await of={of} rows={8}>
      {(rows) =>
        rows.length === 0 ? (
          <Empty text={t.bills.noLines} />
        ) : (
          <>
            <div class="table-frame">
              <table role="table" class="folding bill-lines" aria-label={t.bills.lines}>
                <thead role="rowgroup">
                  <tr role="row">
                    <th role="columnheader" scope="col" class="figure">{t.bills.line}</th>
                    <th role="columnheader" scope="col">{t.bills.charge}</th>
                    <th role="columnheader" scope="col">{t.bills.service}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.quantity}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.net}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.rate}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.tax}</th>
                  </tr>
                </thead>
                <tbody role="rowgroup">
                  {rows.map((line) => (
                    <LineRows key={line.line} line={line} zone={zone} explain={explain} />
                  ))}
                </tbody>
              </table>
            </div>
            <Pager of={of} />
            <Sums paper={paper} />
          </>
        )
      }
    </Await>
  );
}
