// Forms: labelled fields, the server's reason on refusal, and the same request as a curl line.
import type { ComponentChildren, JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { t } from "../words/words";
import { copy } from "./copy";
import { ErrorBox } from "./status";

interface FieldProps {
  label: string;
  hint?: string;
  children: (ids: { id: string; describedBy: string | undefined }) => ComponentChildren;
}

export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  const hintId = hint === undefined ? undefined : `${id}-hint`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, describedBy: hintId })}
      {hint && (
        <p class="hint" id={hintId}>
          {hint}
        </p>
      )}
    </div>
  );
}

type InputProps = Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "onInput"> & {
  label: string;
  hint?: string;
  value: string;
  set: (value: string) => void;
};

export function Input({ label, hint, value, set, ...rest }: InputProps) {
  return (
    <Field label={label} hint={hint}>
      {({ id, describedBy }) => (
        <input
          {...rest}
          id={id}
          aria-describedby={describedBy}
          value={value}
          onInput={(event) => set(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface SelectProps {
  label: string;
  hint?: string;
  value: string;
  set: (value: string) => void;
  options: { value: string; name: string }[];
}

export function Select({ label, hint, value, set, options }: SelectProps) {
  return (
    <Field label={label} hint={hint}>
      {({ id, describedBy }) => (
        <select id={id} aria-describedby={describedBy} value={value} onChange={(event) => set(event.currentTarget.value)}>
          {options.map((option) => (
            <option key={option.value} value={option.value} selected={option.value === value}>
              {option.name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export interface CurlRequest {
  method: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curlLine({ method, path, body, headers = {} }: CurlRequest, origin = location.origin): string {
  const parts = ["curl", shellQuoted(`${origin}${path}`)];
  if (method !== "GET" && !(method === "POST" && body !== undefined)) parts.push("-X", method);
  parts.push("-H", '"Authorization: Bearer $BCCD_KEY"');
  for (const [name, value] of Object.entries(headers)) parts.push("-H", shellQuoted(`${name}: ${value}`));
  if (body !== undefined)
    parts.push("-H", shellQuoted("Content-Type: application/json"), "-d", shellQuoted(JSON.stringify(body)));
  return parts.join(" ");
}

interface FormProps {
  submit: () => Promise<void>;
  action: string;
  danger?: boolean;
  disabled?: boolean;
  cancel?: () => void;
  /** What the form would send, for those who script it. */
  curl?: () => CurlRequest;
  children: ComponentChildren;
}

export function Form({ submit, action, danger, disabled, cancel, curl, children }: FormProps) {
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const send = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await submit();
    } catch (reason) {
      setError(reason as Error);
    }
    setBusy(false);
  };
  return (
    <form onSubmit={send}>
      {children}
      {error && <ErrorBox error={error} />}
      <div class="form-foot">
        {curl && (
          <button type="button" class="link" onClick={() => copy(curlLine(curl()))}>
            {t.common.copyAsCurl}
          </button>
        )}
        <span class="spacer" />
        {cancel && (
          <button type="button" onClick={cancel}>
            {t.common.cancel}
          </button>
        )}
        <button type="submit" class={danger ? "danger" : "primary"} disabled={disabled || busy} aria-busy={busy}>
          {action}
        </button>
      </div>
    </form>
  );
}
