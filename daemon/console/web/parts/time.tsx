// Times, always in the billing zone; the zone and the offset stand in the title and on the page.
import { zone } from "../data/session";
import { t } from "../words/words";
import { ago, offset, time } from "./format";

export function Time({ at, relative }: { at: string; relative?: boolean }) {
  const full = `${time(at, zone())} ${zone()}`;
  return (
    <time dateTime={at} title={full}>
      {relative ? ago(at) : time(at, zone())}
    </time>
  );
}

export function ZoneNote() {
  return <p class="zone-note">{t.common.timesIn(zone(), offset(zone()))}</p>;
}
