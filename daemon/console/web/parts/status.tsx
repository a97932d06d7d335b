// What stands where data is not there: on its way, refused, or nothing to show.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Refusal, Unreachable } from "../data/client";
import type { Loaded } from "../data/use";
import { t } from "../words/words";
import { ago } from "./format";
import { Icon } from "./icon";

const SKELETON_AFTER = 200; // milliseconds; what comes sooner does not flicker
const STILL_AFTER = 3000;

/** How long something has been under way: 0 at first, then 1 (skeleton), then 2 (still working). */
export function useWait(waiting: boolean): 0 | 1 | 2 {
  const [step, setStep] = useState<0 | 1 | 2>(0);
  useEffect(() => {
    if (!waiting) {
      setStep(0);
      return;
    }
    const first = setTimeout(() => setStep(1), SKELETON_AFTER);
    const second = setTimeout(() => setStep(2), STILL_AFTER);
    return () => {
      clearTimeout(first);
      clearTimeout(second);
    };
  }, [waiting]);
  return step;
}

export function Skeleton({ rows = 6 }: { rows?: number }) {
  const step = useWait(true);
  if (step === 0) return <div class="skeleton-space" />;
  return (
    <div class="skeleton" aria-busy="true">
      <p class={step === 2 ? "muted" : "hidden"} role="status">
        {step === 2 ? t.common.stillWorking : t.common.loading}
      </p>
      {Array.from({ length: rows }, (_, index) => (
        <span key={index} class="bone" />
      ))}
    </div>
  );
}

export function reasonOf(error: Error): string {
  if (error instanceof Unreachable) return t.common.unreachable;
  return error.message;
}

interface ErrorBoxProps {
  error: Error;
  retry?: () => void;
  /** Which parts of the body have what is wrong with them shown elsewhere, at their fields. */
  isShown?: (pointer: string) => boolean;
}

/** The server's reason, each thing that is wrong, and the number to quote. */
export function ErrorBox({ error, retry, isShown = () => false }: ErrorBoxProps) {
  const problem = error instanceof Refusal ? error.problem : null;
  const errors = problem?.errors?.filter(({ pointer }) => !isShown(pointer)) ?? [];
  return (
    <div class="error-box" role="alert">
      <Icon name="warning" />
      <div>
        {problem && <strong>{problem.title}</strong>}
        <p>{reasonOf(error)}</p>
        {errors.length > 0 && (
          <ul>
            {errors.map(({ pointer, detail }) => (
              <li key={pointer + detail}>
                <code>{pointer}</code> {detail}
              </li>
            ))}
          </ul>
        )}
        {error instanceof Refusal && error.retryAfter !== null && (
          <p>{t.common.retryAfter(String(error.retryAfter))}</p>
        )}
        {problem?.request_id && (
          <p class="muted">
            {t.common.requestId} <code>{problem.request_id}</code>
          </p>
        )}
        {retry && (
          <button type="button" onClick={retry}>
            {t.common.tryAgain}
          </button>
        )}
      </div>
    </div>
  );
}

/** Says why nothing is here, and the one next step. */
export function Empty({ text, children }: { text: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>{text}</p>
      {children}
    </div>
  );
}

/** The data of a request once it is there; until then, and when it fails, what that looks like. */
export function Await<T>({
  of,
  rows,
  children,
}: {
  of: Loaded<T>;
  rows?: number;
  children: (data: T) => ComponentChildren;
}) {
  const step = useWait(of.loading && of.data !== undefined);
  if (of.data === undefined)
    return of.error ? <ErrorBox error={of.error} retry={of.reload} /> : <Skeleton rows={rows} />;
  return (
    <>
      {of.error && (
        <>
          <ErrorBox error={of.error} retry={of.reload} />
          <p class="muted">{t.common.oldData(ago(of.at))}</p>
        </>
      )}
      {step === 2 && <p class="muted">{t.common.stillWorking}</p>}
      <div class={step > 0 ? "stale" : undefined}>{children(of.data)}</div>
    </>
  );
}
