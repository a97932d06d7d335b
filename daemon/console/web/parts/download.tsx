// A file that the server makes when it is asked for.
import { useState } from "preact/hooks";
import { Icon } from "./icon";
import { reasonOf } from "./status";
import { toast } from "./toast";

const KEPT_FOR = 60000; // milliseconds; the browser reads it when it wants to

function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_FOR);
}

interface DownloadButtonProps {
  label: string;
  /** What the file is called. */
  name: string;
  load: () => Promise<Blob>;
}

export function DownloadButton({ label, name, load }: DownloadButtonProps) {
  const [busy, setBusy] = useState(false);
  const press = async () => {
    setBusy(true);
    try {
      save(await load(), name);
    } catch (error) {
      toast({ text: reasonOf(error as Error), tone: "bad" });
    }
    setBusy(false);
  };
  return (
    <button type="button" class="icon-button small" onClick={press} disabled={busy} aria-busy={busy} aria-label={label} title={label}>
      <Icon name="download" />
    </button>
  );
}
