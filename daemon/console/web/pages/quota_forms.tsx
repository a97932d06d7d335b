// The dialogs that set a quota, change it and remove it.
import { useId, useState } from "preact/hooks";
import { go } from "../app/router";
import { newKey, patch, post, remove, type Schemas } from "../data/client";
import { useMeters, useTenants } from "../data/names";
import { isOperator } from "../data/session";
import { useGet } from "../data/use";
import { Dialog } from "../parts/dialog";
import { Form, Input, Select } from "../parts/form";
import { quantity, unitWord } from "../parts/format";
import { toast } from "../parts/toast";
import { named, t } from "../words/words";

type Quota = Schemas["Quota"];
type Meter = Schemas["Meter"];
const PERIODS = ["day", "month", "total"] as const;

/** Whether it can be kept hard: what is measured from time to time can only be told. */
const addsUp = ({ aggregation, source }: Meter) => ["sum", "count"].includes(aggregation) && source !== "derived";

/** Numbers of a text such as "80, 100%". */
function thresholdsOf(text: string): number[] {
  return text.split(/[\s,，、%]+/).filter(Boolean).map(Number);
}

/** In the unit of the meter, and of bytes as they are best read. */
function limitHint(limit: string, unit: string): string {
  const readable = unit === "Bytes" && /^\d+(\.\d+)?$/.test(limit) ? ` ${t.quotas.thatIs(quantity(limit, unit))}` : "";
  return t.quotas.limitHint(unitWord(unit)) + readable;
}

interface LimitFieldsProps {
  unit: string;
  limit: string;
  setLimit: (value: string) => void;
  thresholds: string;
  setThresholds: (value: string) => void;
}

function LimitFields({ unit, limit, setLimit, thresholds, setThresholds }: LimitFieldsProps) {
  return (
    <>
      <Input label={t.quotas.limit} hint={limitHint(limit, unit)} pointer="/limit" inputMode="decimal" autocomplete="off" required value={limit} set={setLimit} />
      <Input label={t.quotas.thresholds} hint={t.quotas.thresholdsHint} pointer="/thresholds" autocomplete="off" value={thresholds} set={setThresholds} />
    </>
  );
}

/** `tenant` and `meter` are those that the list is filtered by, or "". */
export function NewQuota({ tenant: firstTenant, meter: firstMeter, close }: { tenant: string; meter: string; close: () => void }) {
  const [key] = useState(newKey);
  const [tenant, setTenant] = useState(firstTenant);
  const [code, setCode] = useState(firstMeter);
  const [subject, setSubject] = useState("");
  const [wanted, setWanted] = useState<Quota["kind"]>("soft");
  const [period, setPeriod] = useState<string>("month");
  const [limit, setLimit] = useState("");
  const [thresholds, setThresholds] = useState("80, 100");
  const listId = useId();
  const tenants = useTenants();
  const meters = useMeters().filter(({ aggregation }) => aggregation !== "min");
  const meter = meters.find((each) => each.code === code);
  const resources = useGet(isOperator() && tenant === "" ? null : "/v1/resources", {
    query: { limit: 500, tenant: (isOperator() && tenant) || undefined },
  });
  const kinds: Quota["kind"][] = isOperator() && meter && addsUp(meter) ? ["soft", "hard"] : ["soft"];
  const kind = kinds.includes(wanted) ? wanted : "soft";
  const body = {
    ...(isOperator() ? { tenant } : {}),
    meter: code,
    ...(subject ? { subject } : {}),
    kind,
    period: period as Quota["period"],
    limit,
    thresholds: thresholdsOf(thresholds),
  };
  return (
    <Dialog title={t.quotas.create} close={close}>
      <Form
        action={t.quotas.make}
        cancel={close}
        submit={async () => {
          const made = await post("/v1/quotas", { body, key });
          toast({ text: t.quotas.made, tone: "good" });
          close();
          go(`/console/quotas/${made.data.id}`);
        }}
        curl={() => ({ method: "POST", path: "/v1/quotas", headers: { "Idempotency-Key": key }, body })}
      >
        {isOperator() && (
          <Select label={t.tenants.one} pointer="/tenant" required value={tenant} set={setTenant}
            options={[{ value: "", name: t.quotas.choose }, ...tenants.map((each) => ({ value: each.id, name: named(each) }))]} />
        )}
        <Select label={t.usage.meter} pointer="/meter" required value={code} set={setCode}
          options={[{ value: "", name: t.quotas.choose }, ...meters.map((each) => ({ value: each.code, name: named(each) }))]} />
        <Input label={t.resources.one} hint={t.quotas.subjectHint} pointer="/subject" list={listId} autocomplete="off" value={subject} set={setSubject} />
        <datalist id={listId}>
          {(resources.data?.data ?? []).map((each) => (
            <option key={each.id} value={each.external_id ?? each.id}>
              {each.name}
            </option>
          ))}
        </datalist>
        <Select label={t.resources.kind} hint={t.quotas.kindNotes[kind]} pointer="/kind" value={kind} set={(value) => setWanted(value as Quota["kind"])}
          options={kinds.map((value) => ({ value, name: t.quotas.kinds[value] }))} />
        <Select label={t.quotas.period} pointer="/period" value={period} set={setPeriod}
          options={PERIODS.map((value) => ({ value, name: t.quotas.periods[value] }))} />
        <LimitFields unit={meter?.unit ?? ""} limit={limit} setLimit={setLimit} thresholds={thresholds} setThresholds={setThresholds} />
      </Form>
    </Dialog>
  );
}

interface Shown {
  quota: Quota;
  /** Of its meter, in the reader's language. */
  name: string;
  version: string;
  close: () => void;
}

export function ChangeQuota({ quota, name, version, close, done }: Shown & { done: () => void }) {
  const [limit, setLimit] = useState(quota.limit);
  const [thresholds, setThresholds] = useState(quota.thresholds.join(", "));
  const body = { limit, thresholds: thresholdsOf(thresholds) };
  return (
    <Dialog title={t.actions.title(t.quotas.change, name)} close={close}>
      <p>{t.quotas.changeSays}</p>
      <Form
        action={t.common.save}
        cancel={close}
        submit={async () => {
          await patch("/v1/quotas/{quota_id}", { at: { quota_id: quota.id }, body, version });
          toast({ text: t.common.saved, tone: "good" });
          done();
          close();
        }}
        curl={() => ({ method: "PATCH", path: `/v1/quotas/${quota.id}`, headers: { "If-Match": version }, body })}
      >
        <LimitFields unit={quota.unit} limit={limit} setLimit={setLimit} thresholds={thresholds} setThresholds={setThresholds} />
      </Form>
    </Dialog>
  );
}

export function RemoveQuota({ quota, name, version, close }: Shown) {
  const [typed, setTyped] = useState("");
  return (
    <Dialog title={t.actions.title(t.quotas.remove, name)} close={close}>
      <p>{t.quotas.removeSays}</p>
      <Form
        action={t.quotas.remove}
        danger
        disabled={typed !== name}
        cancel={close}
        submit={async () => {
          await remove("/v1/quotas/{quota_id}", { at: { quota_id: quota.id }, version });
          toast({ text: t.quotas.removed, tone: "good" });
          close();
          go("/console/quotas");
        }}
        curl={() => ({ method: "DELETE", path: `/v1/quotas/${quota.id}`, headers: { "If-Match": version } })}
      >
        <Input label={t.actions.typeName(name)} autocomplete="off" value={typed} set={setTyped} />
      </Form>
    </Dialog>
  );
}
