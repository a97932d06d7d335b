// One resource: its facts, its track, and what can be done with it now.
import { useState } from "preact/hooks";
import { patch, read, type Schemas } from "../data/client";
import { may, isOperator } from "../data/session";
import { useGet, useLoaded, usePaged } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Id } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { Facts, type Fact } from "../parts/facts";
import { Form, Input } from "../parts/form";
import { brief, count, kindWord } from "../parts/format";
import { Icon } from "../parts/icon";
import { ActorName, OfferingName, PlanName, TenantName } from "../parts/names";
import { Page, Panel } from "../parts/page";
import { Await, ErrorBox, Skeleton } from "../parts/status";
import { Time, ZoneNote } from "../parts/time";
import { toast } from "../parts/toast";
import { t, wordFor } from "../words/words";
import { Link } from "../app/router";
import { ResourceQuotas } from "./quotas";
import { Actions } from "./resource_actions";

type Resource = Schemas["Resource"];
type Transition = Schemas["ResourceTransition"];

function rate(most: number, committed: number): string {
  return committed === 0 ? t.resources.upTo(megabits(most)) : t.resources.committed(megabits(most), megabits(committed));
}

const megabits = (kilobits: number) => `${brief(String(kilobits / 1000), 1)} Mbit/s`;

function ownFacts(resource: Resource): Fact[] {
  const { software, broadband, terminal } = resource;
  if (software)
    return [
      [t.resources.seatsLabel, t.resources.seatsUsed(count(software.assigned_seats), count(software.seats))],
      software.dashboard_url && [
        t.resources.dashboard,
        <a href={software.dashboard_url} target="_blank" rel="noreferrer">{software.dashboard_url}</a>,
      ],
    ];
  if (broadband)
    return [
      [t.resources.login, <code>{broadband.login}</code>],
      [t.resources.technology, wordFor(t.technologies, broadband.access_technology)],
      [t.resources.down, rate(broadband.maximum_downstream_kbit, broadband.committed_downstream_kbit)],
      [t.resources.upward, rate(broadband.maximum_upstream_kbit, broadband.committed_upstream_kbit)],
      [t.resources.staticAddress, broadband.static_address && <code>{broadband.static_address}</code>],
    ];
  if (terminal?.terminal)
    return [
      [t.resources.assetTag, <code>{terminal.terminal.asset_tag}</code>],
      [t.resources.model, terminal.terminal.model],
      [t.resources.serial, <code>{terminal.terminal.serial}</code>],
      [t.resources.condition, wordFor(t.conditions, terminal.terminal.condition)],
      [t.resources.dueBack, terminal.terminal.due_on],
    ];
  return terminal ? [[t.resources.model, terminal.model]] : [];
}

function ResourceFacts({ resource }: { resource: Resource }) {
  return (
    <Facts
      facts={[
        [t.resources.kind, kindWord(resource.kind)],
        isOperator() && [t.tenants.one, <TenantName id={resource.tenant_id} known={resource.tenant} />],
        [t.resources.offering, <OfferingName id={resource.offering_id} />],
        [t.resources.plan, <PlanName id={resource.plan_id} version={resource.plan_version} />],
        resource.next_plan && [
          t.resources.nextPlan,
          <>
            <PlanName id={resource.next_plan.plan_id} version={resource.next_plan.plan_version} />{" "}
            <Time at={resource.next_plan.starts_at} />
          </>,
        ],
        resource.rented_until && [t.resources.rentedUntil, resource.rented_until],
        resource.operation && [
          t.resources.operation,
          <>
            {wordFor(t.vendorKinds, resource.operation.kind)} · {wordFor(t.vendorStates, resource.operation.state)} ·{" "}
            <Time at={resource.operation.started_at} />
          </>,
        ],
        ...ownFacts(resource),
        [t.resources.site, resource.site],
        [t.common.externalId, resource.external_id && <code>{resource.external_id}</code>],
        [t.resources.requestedAt, <Time at={resource.created_at} />],
        [t.common.changed, <Time at={resource.updated_at} />],
      ]}
    />
  );
}

// Actions after which the state goes without saying.
const SAYS_ITS_STATE = ["create", "approve", "reject", "provision", "activate", "suspend", "fail", "retry"];
const MINUTE = 60000; // milliseconds
const differs = (a: string, b: string) => Math.abs(Date.parse(a) - Date.parse(b)) > MINUTE;

function Step({ step }: { step: Transition }) {
  return (
    <li>
      <span class="track-dot" />
      <div class="track-step">
        <div class="track-head">
          <strong>{wordFor(t.pastActions, step.action)}</strong>
          {!SAYS_ITS_STATE.includes(step.action) && <StateBadge state={step.to_state} />}
        </div>
        {step.reason && <p class="track-reason">{step.reason}</p>}
        <p class="muted">
          <Time at={step.at} /> · <ActorName id={step.actor} />
          {differs(step.at, step.effective_at) && (
            <>
              {" · "}
              {t.resources.countsFrom} <Time at={step.effective_at} />
            </>
          )}
        </p>
      </div>
    </li>
  );
}

function Track({ id }: { id: string }) {
  const history = usePaged("/v1/resources/{resource_id}/history", { at: { resource_id: id } });
  return (
    <Await of={history} rows={4}>
      {(steps) => (
        <>
          <ol class="track">
            {steps.map((step) => (
              <Step key={step.number} step={step} />
            ))}
          </ol>
          {(history.hasNext || history.hasPrevious) && (
            <nav class="pager" aria-label={t.common.pages}>
              <button type="button" disabled={!history.hasPrevious} onClick={history.previous}>{t.common.previous}</button>
              <button type="button" disabled={!history.hasNext} onClick={history.next}>{t.common.next}</button>
            </nav>
          )}
        </>
      )}
    </Await>
  );
}

function RenameDialog({ resource, version, close, done }: { resource: Resource; version: string; close: () => void; done: () => void }) {
  const [name, setName] = useState(resource.name);
  const [site, setSite] = useState(resource.site);
  const body = { name, site };
  return (
    <Dialog title={t.resources.edit} close={close}>
      <Form
        action={t.common.save}
        cancel={close}
        submit={async () => {
          await patch("/v1/resources/{resource_id}", { at: { resource_id: resource.id }, body, version });
          toast({ text: t.common.saved, tone: "good" });
          done();
          close();
        }}
        curl={() => ({ method: "PATCH", path: `/v1/resources/${resource.id}`, headers: { "If-Match": version }, body })}
      >
        <Input label={t.resources.name} required maxLength={200} value={name} set={setName} />
        <Input label={t.resources.site} maxLength={500} value={site} set={setSite} />
      </Form>
    </Dialog>
  );
}

function Summary({ resource }: { resource: Resource }) {
  if (resource.failure)
    return (
      <div class="notice bad" role="note">
        <Icon name="warning" />
        <p>
          <strong>{t.resources.failedWith(resource.failure.code)}</strong> {resource.failure.detail}{" "}
          {resource.failure.retryable ? t.resources.canRetry : t.resources.cannotRetry}
        </p>
      </div>
    );
  if (resource.holds.length > 0)
    return (
      <div class="notice warning" role="note">
        <Icon name="warning" />
        <p>{t.resources.heldBy(resource.holds.map((hold) => t.holds[hold]).join(t.common.comma))}</p>
      </div>
    );
  return null;
}

export function ResourcePage({ at }: { at: Record<string, string> }) {
  const id = at["id"]!;
  const [editing, setEditing] = useState(false);
  // The entity tag comes with the object alone, not expanded.
  const loaded = useLoaded(id, (signal) => read("/v1/resources/{resource_id}", { at: { resource_id: id }, signal }));
  const tenantId = loaded.data?.data.tenant_id;
  const tenant = useGet(isOperator() && tenantId ? "/v1/tenants/{tenant_id}" : null, { at: { tenant_id: tenantId ?? "" } });
  const up = { to: "/console/resources", name: t.nav.resources };
  if (loaded.data === undefined)
    return (
      <Page title={t.resources.one} up={up}>
        {loaded.error ? <ErrorBox error={loaded.error} retry={loaded.reload} /> : <Skeleton />}
      </Page>
    );
  const { data: resource, etag } = loaded.data;
  const known = tenant.data && { ...resource, tenant: tenant.data };
  const usage = `/console/usage?subject=${resource.id}&kind=${resource.kind}${isOperator() ? `&tenant=${resource.tenant_id}` : ""}`;
  return (
    <Page
      title={resource.name}
      up={up}
      state={<StateBadge state={resource.state} />}
      under={<Id id={resource.id} />}
      actions={
        <>
          <Actions resource={resource} done={loaded.reload} />
          {may("resources:write") && etag && (
            <button type="button" onClick={() => setEditing(true)}>
              <Icon name="edit" />
              {t.common.edit}
            </button>
          )}
        </>
      }
    >
      <Summary resource={resource} />
      <div class="columns wide-first">
        <Panel title={t.resources.track}>
          <Track key={resource.updated_at} id={id} />
        </Panel>
        <Panel title={t.resources.facts} note={may("usage:read") && <Link to={usage}>{t.resources.seeUsage}</Link>}>
          <ResourceFacts resource={known ?? resource} />
        </Panel>
      </div>
      {may("quotas:read") && <ResourceQuotas resource={resource} />}
      <ZoneNote />
      {editing && etag && (
        <RenameDialog resource={resource} version={etag} close={() => setEditing(false)} done={loaded.reload} />
      )}
    </Page>
  );
}
