// One export: its control totals and its files.
import { Link } from "../app/router";
import type { Schemas } from "../data/client";
import { useGet, usePolling } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Digest, Id } from "../parts/copy";
import { Facts } from "../parts/facts";
import { bytes, count, decimal, lastDay, day, monthName, offset } from "../parts/format";
import { Icon } from "../parts/icon";
import { ActorName } from "../parts/names";
import { Page, Panel } from "../parts/page";
import { Empty, ErrorBox, Skeleton } from "../parts/status";
import { Table } from "../parts/table";
import { Time } from "../parts/time";
import { t } from "../words/words";
import { Progress } from "./operations";
import { UNDER_WAY } from "./exports";

type Export = Schemas["Export"];

function Files({ set }: { set: Export }) {
  return (
    <Table
      label={t.exports.files}
      rows={set.files}
      keyOf={(file) => file.name}
      columns={[
        { name: t.exports.file, head: true, cell: (file) => <code>{file.name}</code> },
        { name: t.exports.rows, figure: true, cell: (file) => count(file.rows) },
        { name: t.exports.size, figure: true, cell: (file) => <span title={count(file.bytes)}>{bytes(file.bytes)}</span> },
        { name: "SHA-256", cell: (file) => <Digest value={file.sha256} /> },
        {
          name: t.exports.download,
          cell: (file) => (
            <a class="button small" href={`/v1/exports/${set.id}/files/${encodeURIComponent(file.name)}`} download={file.name} aria-label={`${t.exports.download} ${file.name}`}>
              <Icon name="download" />
              {t.exports.download}
            </a>
          ),
        },
      ]}
    />
  );
}

function UnderWay({ id }: { id: string }) {
  const operation = useGet("/v1/operations/{operation_id}", { at: { operation_id: id } });
  usePolling(operation.reload, !operation.data?.ended_at, 1000);
  if (operation.data === undefined) return <Skeleton rows={2} />;
  if (operation.data.error)
    return (
      <div class="notice bad" role="note">
        <Icon name="warning" />
        <p>{operation.data.error.detail}</p>
      </div>
    );
  return <Progress operation={operation.data} />;
}

export function ExportPage({ at }: { at: Record<string, string> }) {
  const id = at["id"]!;
  const loaded = useGet("/v1/exports/{export_id}", { at: { export_id: id } });
  const set = loaded.data;
  usePolling(loaded.reload, set !== undefined && UNDER_WAY.includes(set.state), 1000);
  const up = { to: "/console/exports", name: t.nav.exports };
  if (set === undefined)
    return (
      <Page title={t.exports.set} up={up}>
        {loaded.error ? <ErrorBox error={loaded.error} retry={loaded.reload} /> : <Skeleton />}
      </Page>
    );
  const { manifest } = set;
  return (
    <Page
      title={`${t.exports.formats[set.format]} · ${monthName(set.period)}`}
      up={up}
      state={<StateBadge state={set.state} />}
      under={<Id id={set.id} />}
    >
      <div class="columns wide-first">
        <Panel title={t.exports.files} note={set.state === "ready" && t.exports.neverChanges}>
          {set.state === "ready" ? <Files set={set} /> : set.files.length === 0 && <UnderWay id={set.operation_id} />}
          {set.state === "failed" && set.files.length === 0 && <Empty text={t.exports.failedNote} />}
        </Panel>
        <div>
          {manifest && (
            <Panel title={t.exports.totals} note={t.exports.totalsNote}>
              <dl class="sums">
                {(["net", "tax", "total"] as const).map((name) => (
                  <div key={name}>
                    <dt>{t.bills[name]}</dt>
                    <dd>{decimal(manifest.control_totals[name], 2)}</dd>
                  </div>
                ))}
              </dl>
            </Panel>
          )}
          <Panel title={t.resources.facts}>
            <Facts
              facts={[
                [t.exports.format, `${t.exports.formats[set.format]} · ${t.resources.version(set.format_version)}`],
                [t.bills.period, monthName(set.period)],
                manifest && [
                  t.exports.from,
                  `${day(manifest.period_starts_at, manifest.time_zone)} – ${lastDay(manifest.period_ends_at, manifest.time_zone)}`,
                ],
                manifest && [t.common.zone, `${manifest.time_zone} (${offset(manifest.time_zone, Date.parse(manifest.period_starts_at))})`],
                [t.exports.kind, set.final ? t.exports.final : t.exports.provisional],
                [t.exports.revision, String(set.revision)],
                set.supersedes && [t.exports.supersedes, <Link to={`/console/exports/${set.supersedes}`}>{set.supersedes}</Link>],
                [t.exports.askedBy, <ActorName id={set.created_by} />],
                [t.common.created, <Time at={set.created_at} />],
                [t.exports.readyAt, set.ready_at && <Time at={set.ready_at} />],
              ]}
            />
          </Panel>
        </div>
      </div>
    </Page>
  );
}
