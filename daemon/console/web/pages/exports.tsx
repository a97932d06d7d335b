// What finance takes over: sets of files, made once.
import { useState } from "preact/hooks";
import { go, Link, useFilter, usePlace } from "../app/router";
import { newKey, post, type Schemas } from "../data/client";
import { may } from "../data/session";
import { usePaged, usePolling } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Dialog } from "../parts/dialog";
import { Filters, FilterSelect } from "../parts/filters";
import { Form, Select } from "../parts/form";
import { decimal, monthName } from "../parts/format";
import { Icon } from "../parts/icon";
import { Page } from "../parts/page";
import { Empty } from "../parts/status";
import { List } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { toast } from "../parts/toast";
import { t } from "../words/words";
import { monthChoices } from "./bills";

type Export = Schemas["Export"];
const FORMATS = ["focus", "journal", "lines"] as const;
export const UNDER_WAY = ["queued", "running"];

function NewExport({ close }: { close: () => void }) {
  const [key] = useState(newKey);
  const months = monthChoices();
  const [format, setFormat] = useState<string>("focus");
  const [period, setPeriod] = useState(months[1]!.value);
  const body = { format: format as Export["format"], period };
  return (
    <Dialog title={t.exports.create} close={close}>
      <Form
        action={t.exports.make}
        cancel={close}
        submit={async () => {
          const made = await post("/v1/exports", { body, key });
          toast({ text: t.exports.queued, tone: "good" });
          close();
          go(`/console/exports/${made.data.id}`);
        }}
        curl={() => ({ method: "POST", path: "/v1/exports", headers: { "Idempotency-Key": key }, body })}
      >
        <Select label={t.exports.format} hint={t.exports.formatNotes[body.format]} value={format} set={setFormat}
          options={FORMATS.map((value) => ({ value, name: t.exports.formats[value] }))} />
        <Select label={t.bills.period} hint={t.exports.periodNote} value={period} set={setPeriod} options={months} />
      </Form>
    </Dialog>
  );
}

export function ExportsPage() {
  const [format, setFormat] = useFilter("format");
  const [period, setPeriod] = useFilter("period");
  const { query } = usePlace();
  const [making, setMaking] = useState(query.get("new") !== null);
  const exports = usePaged("/v1/exports", {
    query: { format: (format || undefined) as Export["format"] | undefined, period: period || undefined },
  });
  usePolling(exports.reload, !!exports.data?.some(({ state }) => UNDER_WAY.includes(state)));
  const filtered = format !== "" || period !== "";
  const create = may("exports:write") && (
    <button type="button" class="primary" onClick={() => setMaking(true)}>
      <Icon name="plus" />
      {t.exports.create}
    </button>
  );
  const close = () => {
    setMaking(false);
    if (query.get("new") !== null) go("/console/exports", { replace: true });
  };
  return (
    <Page title={t.nav.exports} actions={create}>
      <Filters>
        <FilterSelect label={t.exports.format} value={format} set={setFormat} all={t.filters.allFormats}
          options={FORMATS.map((value) => ({ value, name: t.exports.formats[value] }))} />
        <FilterSelect label={t.bills.period} value={period} set={setPeriod} all={t.filters.allMonths} options={monthChoices()} />
      </Filters>
      <List
        label={t.nav.exports}
        of={exports}
        keyOf={(each) => each.id}
        empty={<Empty text={filtered ? t.filters.noMatch : t.exports.empty}>{!filtered && create}</Empty>}
        columns={[
          {
            name: t.exports.set,
            head: true,
            cell: (each) => (
              <Link to={`/console/exports/${each.id}`}>
                {t.exports.formats[each.format]} · {each.period}
              </Link>
            ),
          },
          { name: t.bills.period, cell: (each) => monthName(each.period) },
          { name: t.exports.revision, figure: true, cell: (each) => each.revision },
          { name: t.exports.kind, cell: (each) => (each.final ? t.exports.final : t.exports.provisional) },
          { name: t.resources.state, cell: (each) => <StateBadge state={each.state} /> },
          {
            name: t.bills.total,
            figure: true,
            cell: (each) => (each.manifest ? decimal(each.manifest.control_totals.total, 2) : "—"),
          },
          { name: t.common.created, cell: (each) => <Time at={each.created_at} /> },
        ]}
      />
      <ZoneNote />
      {(making || query.get("new") !== null) && may("exports:write") && <NewExport close={close} />}
    </Page>
  );
}
