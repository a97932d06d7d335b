// A column of facts about one thing: names and values.
import type { ComponentChildren } from "preact";

export type Fact = [name: string, value: ComponentChildren] | false | "" | null | undefined;

export function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl class="facts">
      {facts.filter((fact) => !!fact).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value === "" || value === null ? "—" : value}</dd>
        </div>
      ))}
    </dl>
  );
}
