// Light, dark, or as the system has it.
import { store } from "../data/store";

export type Theme = "system" | "light" | "dark";
const KEPT_AS = "bccd.theme";

function kept(): Theme {
  const value = localStorage.getItem(KEPT_AS);
  return value === "light" || value === "dark" ? value : "system";
}

function apply(value: Theme): void {
  if (value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = value;
}

export const theme = store<Theme>(kept());
apply(theme.get());

export function setTheme(value: Theme): void {
  localStorage.setItem(KEPT_AS, value);
  apply(value);
  theme.set(value);
}
