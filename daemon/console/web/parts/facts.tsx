// A column of facts about one thing: names and values.
import type { ComponentChildren } from "preact";

export type Fact = [name: string, value: ComponentChildren] | false | "" | null | undefined;

/** `broad`: in several columns, where there is room. */
export function Facts({ facts, broad }: { facts: Fact[]; broad?: boolean }) {
  return (
    <dl class={broad ? "facts broad" : "facts"}>
      {facts.filter((fact) => !!fact).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value === "" || value === null ? "—" : value}</dd>
        </div>
      ))}
    </dl>
  );
}
