// Forms: labelled fields, the server's reason on refusal, and the same request as a curl line.
import { createContext, type ComponentChildren, type JSX } from "preact";
import { useContext, useEffect, useId, useRef, useState } from "preact/hooks";
import { Refusal, type Problem } from "../data/client";
import { t } from "../words/words";
import { copy } from "./copy";
import { ErrorBox } from "./status";

type Wrong = NonNullable<Problem["errors"]>;

/** What the server refused of a form, for the fields that say whose it is. */
const Refused = createContext<{ errors: Wrong; claim: (pointer: string) => () => void }>({
  errors: [],
  claim: () => () => {},
});

/** Whether the pointer is to that part of the body, or into it. */
const isWithin = (pointer: string, part: string) => pointer === part || pointer.startsWith(`${part}/`);

/** What is wrong with a field's part of the body; "" where nothing is. */
function useWrong(part: string | undefined): string {
  const { errors, claim } = useContext(Refused);
  useEffect(() => (part === undefined ? undefined : claim(part)), [part]);
  if (part === undefined) return "";
  return errors.filter(({ pointer }) => isWithin(pointer, part)).map(({ detail }) => detail).join(" ");
}

interface FieldProps {
  label: string;
  hint?: string;
  /** The part of the body that it is, such as "/limit": what the server says of that is shown here. */
  pointer?: string;
  children: (given: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ComponentChildren;
}

export function Field({ label, hint, pointer, children }: FieldProps) {
  const id = useId();
  const wrong = useWrong(pointer);
  const describedBy = [wrong && `${id}-wrong`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": describedBy || undefined, "aria-invalid": wrong ? true : undefined })}
      {wrong && (
        <p class="hint bad-text" id={`${id}-wrong`}>
          {wrong}
        </p>
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

type InputProps = Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "onInput"> & {
  label: string;
  hint?: string;
  pointer?: string;
  value: string;
  set: (value: string) => void;
};

export function Input({ label, hint, pointer, value, set, ...rest }: InputProps) {
  return (
    <Field label={label} hint={hint} pointer={pointer}>
      {(given) => (
        <input
          {...rest}
          {...given}
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
  pointer?: string;
  required?: boolean;
  value: string;
  set: (value: string) => void;
  options: { value: string; name: string }[];
}

export function Select({ label, hint, pointer, required, value, set, options }: SelectProps) {
  return (
    <Field label={label} hint={hint} pointer={pointer}>
      {(given) => (
        <select {...given} required={required} value={value} onChange={(event) => set(event.currentTarget.value)}>
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
  const claimed = useRef(new Set<string>());
  const claim = (pointer: string) => {
    claimed.current.add(pointer);
    return () => void claimed.current.delete(pointer);
  };
  const errors = error instanceof Refusal ? (error.problem.errors ?? []) : [];
  const isShown = (pointer: string) => [...claimed.current].some((part) => isWithin(pointer, part));
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
      <Refused.Provider value={{ errors, claim }}>{children}</Refused.Provider>
      {error && <ErrorBox error={error} isShown={isShown} />}
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
