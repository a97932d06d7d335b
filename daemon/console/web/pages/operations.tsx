// Long work: what was asked for, how far it is, and what became of it.
import { Link, useFilter } from "../app/router";
import type { Schemas } from "../data/client";
import { usePaged, usePolling } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Filters, FilterSelect } from "../parts/filters";
import { count, duration } from "../parts/format";
import { ActorName } from "../parts/names";
import { Page } from "../parts/page";
import { Empty } from "../parts/status";
import { List } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { t, wordFor } from "../words/words";

type Operation = Schemas["Operation"];
const STATES = ["queued", "running", "succeeded", "failed"] as const;
const KINDS = ["billing_run", "close_period", "export", "back_computation"];
export const OPERATION_UNDER_WAY = ["queued", "running"];

/** What remains, from how fast it went until now; null while that cannot be said. */
function remaining(operation: Operation): string | null {
  const { done, total, started_at } = operation;
  if (started_at === null || total === null || done === 0 || done >= total) return null;
  const passed = Date.now() - Date.parse(started_at);
  const left = (passed / done) * (total - done);
  return duration(new Date(0).toISOString(), new Date(Math.max(1000, left)).toISOString());
}

export function Progress({ operation }: { operation: Operation }) {
  const { done, total, state } = operation;
  const left = remaining(operation);
  const name = wordFor(t.operations.kinds, operation.kind);
  return (
    <div class="progress">
      <progress aria-label={name} max={total ?? 1} value={total === null && state === "running" ? undefined : done} />
      <span>
        {total === null ? t.operations.done(count(done)) : t.operations.doneOf(count(done), count(total))}
        {left && ` · ${t.operations.left(left)}`}
      </span>
    </div>
  );
}

function Outcome({ operation }: { operation: Operation }) {
  if (operation.error) return <span class="bad-text">{operation.error.detail}</span>;
  const exported = operation.result?.["export_id"];
  if (typeof exported === "string")
    return <Link to={`/console/exports/${exported}`}>{t.operations.openExport}</Link>;
  if (OPERATION_UNDER_WAY.includes(operation.state)) return <Progress operation={operation} />;
  return <>{operation.total === null ? "—" : t.operations.doneOf(count(operation.done), count(operation.total))}</>;
}

export function OperationsPage() {
  const [state, setState] = useFilter("state");
  const [kind, setKind] = useFilter("kind");
  const operations = usePaged("/v1/operations", {
    query: {
      state: state === "" ? undefined : (state.split(",") as Operation["state"][]),
      kind: kind || undefined,
    },
  });
  usePolling(operations.reload, !!operations.data?.some((each) => OPERATION_UNDER_WAY.includes(each.state)), 1500);
  const filtered = state !== "" || kind !== "";
  return (
    <Page title={t.nav.operations}>
      <Filters>
        <FilterSelect label={t.operations.kind} value={kind} set={setKind} all={t.filters.allKinds}
          options={KINDS.map((value) => ({ value, name: wordFor(t.operations.kinds, value) }))} />
        <FilterSelect label={t.resources.state} value={state} set={setState} all={t.filters.allStates}
          options={STATES.map((value) => ({ value, name: t.states[value] }))} />
      </Filters>
      <List
        label={t.nav.operations}
        of={operations}
        keyOf={(operation) => operation.id}
        empty={<Empty text={filtered ? t.filters.noMatch : t.operations.empty} />}
        columns={[
          { name: t.operations.kind, head: true, cell: (operation) => wordFor(t.operations.kinds, operation.kind) },
          { name: t.resources.state, cell: (operation) => <StateBadge state={operation.state} /> },
          { name: t.operations.outcome, cell: (operation) => <Outcome operation={operation} /> },
          { name: t.exports.askedBy, cell: (operation) => (operation.created_by ? <ActorName id={operation.created_by} /> : "—") },
          { name: t.operations.askedAt, cell: (operation) => <Time at={operation.created_at} /> },
          {
            name: t.operations.took,
            figure: true,
            cell: (operation) =>
              operation.started_at && operation.ended_at ? duration(operation.started_at, operation.ended_at) : "—",
          },
        ]}
      />
      <ZoneNote />
    </Page>
  );
}
