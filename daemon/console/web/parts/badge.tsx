// A state by word and dot: the colour only repeats what the word says.
import { t, wordFor } from "../words/words";

type Tone = "good" | "warning" | "bad" | "busy" | "quiet";

const TONES: Record<string, Tone> = {
  active: "good",
  finalized: "good",
  closed: "quiet",
  succeeded: "good",
  ready: "good",
  requested: "warning",
  approved: "busy",
  provisioning: "busy",
  queued: "quiet",
  running: "busy",
  draft: "quiet",
  open: "busy",
  suspended: "warning",
  terminating: "warning",
  terminated: "quiet",
  rejected: "quiet",
  failed: "bad",
  retired: "quiet",
  overdue: "bad",
  held: "busy",
  settled: "good",
};

export function StateBadge({ state }: { state: string }) {
  return <span class={`badge ${TONES[state] ?? "quiet"}`}>{wordFor(t.states, state)}</span>;
}
