// What can be copied: an id with its button, and any text.
import { useState } from "preact/hooks";
import { t } from "../words/words";
import { Icon } from "./icon";
import { toast } from "./toast";

const SHOWN_FOR = 1500; // milliseconds

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast({ text: t.common.copied });
  } catch {
    toast({ text: t.common.copyRefused, tone: "bad" });
  }
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const press = async () => {
    await copy(text);
    setDone(true);
    setTimeout(() => setDone(false), SHOWN_FOR);
  };
  return (
    <button type="button" class="icon-button small" onClick={press} aria-label={label} title={label}>
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}

export function Id({ id }: { id: string }) {
  return (
    <span class="id">
      <code>{id}</code>
      <CopyButton text={id} label={t.common.copyId} />
    </span>
  );
}

/** A long digest, cut in the middle for the eye; what is copied is whole. */
export function Digest({ value }: { value: string }) {
  return (
    <span class="id">
      <code title={value}>
        {value.slice(0, 10)}…{value.slice(-10)}
      </code>
      <CopyButton text={value} label={t.exports.copyDigest} />
    </span>
  );
}
