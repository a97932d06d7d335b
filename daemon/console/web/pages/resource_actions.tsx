// What can be done with a resource now: the buttons, and the dialog that asks why and from when.
import { useState } from "preact/hooks";
import { post, newKey, address, type Body, type PathOf, type Schemas } from "../data/client";
import { usePlans } from "../data/names";
import { isOperator, may, zone } from "../data/session";
import { Dialog } from "../parts/dialog";
import { Form, Input, Select } from "../parts/form";
import { instantOf, offset } from "../parts/format";
import { toast } from "../parts/toast";
import { named, t } from "../words/words";

type Resource = Schemas["Resource"];
type ActionPath = Extract<PathOf<"post">, `/v1/resources/{resource_id}/${string}`>;
type Action = Exclude<ActionPath extends `/v1/resources/{resource_id}/${infer A}` ? A : never, "seats" | "addresses" | `licence-keys${string}` | "move">;

// In the order of a resource's life.
const ACTIONS: { action: Action; permission: string; look?: "primary" | "danger" }[] = [
  { action: "approve", permission: "resources:operate", look: "primary" },
  { action: "provision", permission: "resources:operate", look: "primary" },
  { action: "activate", permission: "resources:operate", look: "primary" },
  { action: "retry", permission: "resources:operate", look: "primary" },
  { action: "resume", permission: "resources:write", look: "primary" },
  { action: "change", permission: "resources:write" },
  { action: "renew", permission: "resources:write" },
  { action: "suspend", permission: "resources:write" },
  { action: "fail", permission: "resources:operate" },
  { action: "reject", permission: "resources:operate", look: "danger" },
  { action: "terminate", permission: "resources:write", look: "danger" },
];
const FINAL: Action[] = ["terminate", "reject"];
const UNDONE_BY: Partial<Record<Action, Action>> = { suspend: "resume", resume: "suspend" };
const HOLDS = ["operator", "billing", "abuse", "tenant", "quota"] as const;

export function actionsFor(resource: Resource) {
  return ACTIONS.filter(
    ({ action, permission }) => resource.actions.includes(action) && may(permission),
  );
}

async function act(resource: Resource, action: Action, body: object, key: string): Promise<void> {
  const path = `/v1/resources/{resource_id}/${action}` as ActionPath;
  await post(path, {
    at: { resource_id: resource.id },
    body: body as Body<ActionPath, "post"> as never,
    key,
  });
}

interface Shown {
  resource: Resource;
  action: Action;
  close: () => void;
  done: () => void;
}

function usePlanChoice(resource: Resource) {
  const plans = usePlans().filter(
    (plan) => plan.offering_id === resource.offering_id && plan.state === "active" && plan.published_version,
  );
  return plans.map((plan) => ({ value: plan.id, name: named(plan) }));
}

function ActionDialog({ resource, action, close, done }: Shown) {
  const [key] = useState(newKey);
  const [reason, setReason] = useState("");
  const [from, setFrom] = useState("");
  const [hold, setHold] = useState<string>(
    action === "resume" ? (resource.holds[0] ?? "operator") : "operator",
  );
  const [typed, setTyped] = useState("");
  const [plan, setPlan] = useState(resource.plan_id);
  const [seats, setSeats] = useState(String(resource.software?.seats ?? ""));
  const [until, setUntil] = useState(resource.rented_until ?? "");
  const [code, setCode] = useState("");
  const [retryable, setRetryable] = useState("true");
  const plans = usePlanChoice(resource);
  const final = FINAL.includes(action);
  const holds = action === "suspend" || action === "resume";
  const word = t.actions[action];

  const body = () => ({
    ...(reason ? { reason } : {}),
    ...(from ? { effective_at: instantOf(from, zone()) } : {}),
    ...(holds && isOperator() ? { hold } : {}),
    ...(action === "change" && plan !== resource.plan_id ? { plan_id: plan } : {}),
    ...(action === "change" && resource.software && Number(seats) !== resource.software.seats
      ? { software: { seats: Number(seats) } }
      : {}),
    ...(action === "renew" ? { rented_until: until || null } : {}),
    ...(action === "fail" ? { code, retryable: retryable === "true" } : {}),
  });
  const submit = async () => {
    await act(resource, action, body(), key);
    const opposite = UNDONE_BY[action];
    const undo =
      opposite &&
      (async () => {
        await act(resource, opposite, isOperator() ? { hold } : {}, newKey());
        done();
      });
    toast({ text: t.actions.done(word, resource.name), tone: "good", undo });
    done();
    close();
  };

  return (
    <Dialog title={t.actions.title(word, resource.name)} close={close}>
      <p>{t.actions.says[action]}</p>
      <Form
        action={word}
        danger={final}
        disabled={final && typed !== resource.name}
        submit={submit}
        cancel={close}
        curl={() => ({
          method: "POST",
          path: address(`/v1/resources/${resource.id}/${action}`),
          headers: { "Idempotency-Key": key },
          body: body(),
        })}
      >
        {holds && isOperator() && (
          <Select label={t.actions.hold} value={hold} set={setHold}
            options={(action === "resume" && resource.holds.length > 0 ? resource.holds : HOLDS).map((value) => ({ value, name: t.holds[value] }))} />
        )}
        {action === "change" && (
          <Select label={t.resources.plan} value={plan} set={setPlan} options={plans} />
        )}
        {action === "change" && resource.software && (
          <Input label={t.resources.seatsLabel} type="number" min="1" value={seats} set={setSeats} />
        )}
        {action === "renew" && (
          <Input label={t.resources.rentedUntil} hint={t.actions.untilHint} type="date" required={!isOperator()} value={until} set={setUntil} />
        )}
        {action === "fail" && (
          <>
            <Input label={t.actions.code} hint={t.actions.codeHint} required value={code} set={setCode} />
            <Select label={t.actions.retryable} value={retryable} set={setRetryable}
              options={[{ value: "true", name: t.common.yes }, { value: "false", name: t.common.no }]} />
          </>
        )}
        <Input label={t.actions.reason} hint={t.actions.reasonHint} maxLength={500} value={reason} set={setReason} />
        {((may("resources:backdate") && action !== "renew") || action === "change") && (
          <Input
            label={t.actions.effective}
            hint={t.actions.effectiveHint(zone(), offset(zone()))}
            type="datetime-local"
            value={from}
            set={setFrom}
          />
        )}
        {final && (
          <Input label={t.actions.typeName(resource.name)} autocomplete="off" value={typed} set={setTyped} />
        )}
      </Form>
    </Dialog>
  );
}

export function Actions({ resource, done }: { resource: Resource; done: () => void }) {
  const [shown, setShown] = useState<Action | null>(null);
  return (
    <>
      {actionsFor(resource).map(({ action, look }) => (
        <button key={action} type="button" class={look === "danger" ? "danger-quiet" : look} onClick={() => setShown(action)}>
          {t.actions[action]}
        </button>
      ))}
      {shown && <ActionDialog resource={resource} action={shown} close={() => setShown(null)} done={done} />}
    </>
  );
}
