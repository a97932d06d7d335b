// Amounts, quantities, times and sizes as text. Amounts stay strings: nothing is rounded by a float.
import type { Money } from "../data/client";
import { language, t, wordFor } from "../words/words";

const SYMBOLS: Record<string, string> = { CNY: "¥", USD: "$", EUR: "€" };
const MINUS = "−";

/** A decimal with its digits grouped, and at least `digits` after the point. */
export function decimal(text: string, digits = 0): string {
  const negative = text.startsWith("-");
  const [whole = "0", part = ""] = (negative ? text.slice(1) : text).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const kept = part.padEnd(digits, "0");
  return `${negative ? MINUS : ""}${grouped}${kept === "" ? "" : `.${kept}`}`;
}

/** Cut, not rounded up, to that many digits after the point: for what is read, not added up. */
export function brief(text: string, digits = 2): string {
  const [whole = "0", part = ""] = text.split(".");
  const kept = part.slice(0, digits).replace(/0+$/, "");
  return decimal(kept === "" ? whole : `${whole}.${kept}`);
}

export function symbol(currency: string): string {
  return SYMBOLS[currency] ?? `${currency} `;
}

export function money({ amount, currency }: Money): string {
  const text = decimal(amount, 2);
  return text.startsWith(MINUS)
    ? `${MINUS}${symbol(currency)}${text.slice(1)}`
    : `${symbol(currency)}${text}`;
}

/** An amount of steps of a calculation: exact, at least two decimals. */
export function exact(amount: string, currency: string): string {
  return money({ amount, currency });
}

export function percent(share: string): string {
  return `${moved(share, 2)}%`;
}

/** A decimal times ten to the power of `places` (negative: divided), exactly. */
export function moved(text: string, places: number): string {
  const negative = text.startsWith("-");
  const [whole = "0", part = ""] = (negative ? text.slice(1) : text).split(".");
  const digits = (places >= 0 ? whole + part.padEnd(places, "0") : whole.padStart(1 - places, "0") + part);
  const point = (places >= 0 ? whole.length : Math.max(whole.length, 1 - places)) + places;
  const left = digits.slice(0, point).replace(/^0+(?=\d)/, "");
  const right = digits.slice(point).replace(/0+$/, "");
  return `${negative ? "-" : ""}${left}${right === "" ? "" : `.${right}`}`;
}

function places(...texts: string[]): number {
  return Math.max(...texts.map((text) => text.split(".")[1]?.length ?? 0));
}

/** Adds decimals exactly, as strings. */
export function add(a: string, b: string): string {
  const digits = places(a, b);
  return moved(String(BigInt(moved(a, digits)) + BigInt(moved(b, digits))), -digits);
}

/** How many whole per cent of another decimal, which is more than 0, one is; cut, and exact. */
export function percentOf(part: string, whole: string): number {
  const digits = places(part, whole);
  return Number((BigInt(moved(part, digits)) * 100n) / BigInt(moved(whole, digits)));
}

const BYTE_UNITS: [string, number][] = [
  ["PB", 15],
  ["TB", 12],
  ["GB", 9],
  ["MB", 6],
  ["kB", 3],
];

/** The unit and the power of ten that a number of bytes is best read in. */
export function byteUnit(value: number): [string, number] {
  return BYTE_UNITS.find(([, power]) => Math.abs(value) >= 10 ** power) ?? ["B", 0];
}

export function bytes(value: string | number): string {
  const text = String(value);
  const [unit, power] = byteUnit(Number(text));
  return `${brief(moved(text, -power))} ${unit}`;
}

/** A quantity with its unit, in words of the reader's language. */
export function quantity(value: string, unit: string): string {
  if (unit === "Bytes") return bytes(value);
  return `${brief(value, 6)} ${unitWord(unit, value)}`;
}

export function unitWord(unit: string, value = "2"): string {
  const known = t.units[unit as keyof typeof t.units];
  return known === undefined ? unit : known(value === "1");
}

const formats = new Map<string, Intl.DateTimeFormat>();

function partsOf(instant: string | number, zone: string): Record<string, string> {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
    });
    formats.set(zone, format);
  }
  return Object.fromEntries(format.formatToParts(new Date(instant)).map(({ type, value }) => [type, value]));
}

export function day(instant: string | number, zone: string): string {
  const at = partsOf(instant, zone);
  return `${at["year"]}-${at["month"]}-${at["day"]}`;
}

export function time(instant: string | number, zone: string): string {
  const at = partsOf(instant, zone);
  return `${at["year"]}-${at["month"]}-${at["day"]} ${at["hour"]}:${at["minute"]}`;
}

export function clock(instant: string | number, zone: string): string {
  const at = partsOf(instant, zone);
  return `${at["hour"]}:${at["minute"]}:${at["second"]}`;
}

/** The last day of a half-open period that ends at `end`. */
export function lastDay(end: string, zone: string): string {
  return day(new Date(end).getTime() - 1, zone);
}

/** How far a zone is from UTC at a time, such as "UTC+8". */
export function offset(zone: string, at = Date.now()): string {
  const format = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "shortOffset" });
  const name = format.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "";
  return name.replace("GMT", "UTC");
}

function offsetMinutes(zone: string, at: number): number {
  const parts = partsOf(at, zone);
  const wall = Date.UTC(
    Number(parts["year"]),
    Number(parts["month"]) - 1,
    Number(parts["day"]),
    Number(parts["hour"]),
    Number(parts["minute"]),
    Number(parts["second"]),
  );
  return Math.round((wall - at) / 60000);
}

/** The instant of a wall clock time of a zone ("2026-10-01" or "2026-10-01T08:00"). */
export function instantOf(wall: string, zone: string): string {
  const asUtc = Date.parse(wall.length === 10 ? `${wall}T00:00:00Z` : `${wall}:00Z`);
  const first = asUtc - offsetMinutes(zone, asUtc) * 60000;
  return new Date(asUtc - offsetMinutes(zone, first) * 60000).toISOString().replace(".000Z", "Z");
}

export function addDays(date: string, count: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + count * 86400000).toISOString().slice(0, 10);
}

export function addMonths(period: string, count: number): string {
  const [year = 0, month = 1] = period.split("-").map(Number);
  return new Date(Date.UTC(year, month - 1 + count, 1)).toISOString().slice(0, 7);
}

/** "October 2026", "2026年10月". */
export function monthName(period: string): string {
  return new Intl.DateTimeFormat(language(), { year: "numeric", month: "long", timeZone: "UTC" }).format(
    new Date(`${period}-01T00:00:00Z`),
  );
}

export function shortMonth(period: string): string {
  return new Intl.DateTimeFormat(language(), { month: "short", timeZone: "UTC" }).format(
    new Date(`${period}-01T00:00:00Z`),
  );
}

/** "Sep 12", "9月12日". */
export function shortDay(date: string): string {
  return new Intl.DateTimeFormat(language(), { month: "short", day: "numeric", timeZone: "UTC" }).format(
    new Date(`${date}T00:00:00Z`),
  );
}

/** How long ago, in words; the exact time stands in the title. */
export function ago(instant: string | number): string {
  const seconds = Math.round((new Date(instant).getTime() - Date.now()) / 1000);
  const words = new Intl.RelativeTimeFormat(language(), { numeric: "auto" });
  const size = Math.abs(seconds);
  if (size < 60) return t.common.justNow;
  if (size < 3600) return words.format(Math.round(seconds / 60), "minute");
  if (size < 86400) return words.format(Math.round(seconds / 3600), "hour");
  return words.format(Math.round(seconds / 86400), "day");
}

export function duration(from: string, to: string): string {
  const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return t.common.seconds(seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0));
  return t.common.minutes(String(Math.round(seconds / 60)));
}

export function count(value: number): string {
  return decimal(String(value));
}

export function kindWord(kind: string): string {
  return wordFor(t.kinds, kind);
}

/** What events say under a dimension, also where that is nothing. */
export function saidName(said: string | null): string {
  if (said === null) return t.usage.notGiven;
  return said === "" ? t.usage.emptyText : said;
}
