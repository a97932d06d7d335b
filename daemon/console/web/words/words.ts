// The language of the reader's choice. `t` is the dictionary in force; it changes as a whole, and
// the application is then drawn anew.
import { store } from "../data/store";
import { en, type Words } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh-CN";
const dictionaries: Record<Language, Words> = { en, "zh-CN": zh };
const KEPT_AS = "bccd.language";

function preferred(): Language {
  const kept = localStorage.getItem(KEPT_AS);
  if (kept === "en" || kept === "zh-CN") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}

const chosen = store<Language>(preferred());
export let t: Words = dictionaries[chosen.get()];
document.documentElement.lang = chosen.get();

export const languages = chosen;

export function language(): Language {
  return chosen.get();
}

export function setLanguage(next: Language): void {
  t = dictionaries[next];
  localStorage.setItem(KEPT_AS, next);
  document.documentElement.lang = next;
  chosen.set(next);
}

/** The name in the reader's language, of what has one in Chinese and perhaps one in English. */
export function named(thing: { name: string; name_en?: string }): string {
  return language() === "en" && thing.name_en ? thing.name_en : thing.name;
}

/** The word for a value of the contract; the value itself where the dictionary has none. */
export function wordFor(words: Record<string, string>, value: string): string {
  return words[value] ?? value;
}
