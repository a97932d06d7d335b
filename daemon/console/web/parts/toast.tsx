// Short messages at the foot of the page, spoken by screen readers; some can be undone.
import { store, useStore } from "../data/store";
import { t } from "../words/words";
import { Icon } from "./icon";

const SHOWN_FOR = 4000; // milliseconds
export const UNDO_FOR = 8000;

export interface Message {
  text: string;
  tone?: "good" | "bad";
  undo?: () => void;
}

const messages = store<(Message & { number: number })[]>([]);
let numbers = 0;

function dismiss(number: number): void {
  messages.set(messages.get().filter((message) => message.number !== number));
}

export function toast(message: Message): void {
  const number = ++numbers;
  messages.set([...messages.get().slice(-2), { ...message, number }]);
  setTimeout(() => dismiss(number), message.undo ? UNDO_FOR : SHOWN_FOR);
}

export function Toasts() {
  const shown = useStore(messages);
  return (
    <div class="toasts" role="status">
      {shown.map(({ number, text, tone, undo }) => (
        <div key={number} class={`toast ${tone ?? ""}`}>
          <span>{text}</span>
          {undo && (
            <button
              type="button"
              class="link"
              onClick={() => {
                dismiss(number);
                undo();
              }}
            >
              {t.common.undo}
            </button>
          )}
          <button type="button" class="icon-button small" aria-label={t.common.close} onClick={() => dismiss(number)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
