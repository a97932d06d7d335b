// The filters of a list; each lives in the URL. `/` goes to the first.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { setFilters, usePlace } from "../app/router";
import { useTenants } from "../data/names";
import { isOperator } from "../data/session";
import { named, t } from "../words/words";

export function Filters({ children }: { children: ComponentChildren }) {
  const { query } = usePlace();
  const names = [...query.keys()];
  return (
    <div class="filters" role="search" aria-label={t.filters.label} data-filters>
      {children}
      {names.length > 0 && (
        <button
          type="button"
          class="link"
          onClick={() => setFilters(Object.fromEntries(names.map((name) => [name, ""])))}
        >
          {t.filters.clear}
        </button>
      )}
    </div>
  );
}

interface FilterSelectProps {
  label: string;
  value: string;
  set: (value: string) => void;
  options: { value: string; name: string }[];
  /** What "no filter" is called; without it there is always one chosen. */
  all?: string;
}

export function FilterSelect({ label, value, set, options, all }: FilterSelectProps) {
  const id = useId();
  // A value of the URL that is none of the choices (several at once) is shown as it is.
  const unknown = value !== "" && !options.some((option) => option.value === value);
  return (
    <div class="filter">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => set(event.currentTarget.value)}>
        {all !== undefined && <option value="">{all}</option>}
        {unknown && (
          <option value={value} selected>
            {value.includes(",") ? t.filters.several(value.split(",").length) : value}
          </option>
        )}
        {options.map((option) => (
          <option key={option.value} value={option.value} selected={option.value === value}>
            {option.name}
          </option>
        ))}
      </select>
    </div>
  );
}

/** For the operator's side: one tenant's only. */
export function TenantFilter({ value, set }: { value: string; set: (value: string) => void }) {
  const tenants = useTenants();
  if (!isOperator()) return null;
  return (
    <FilterSelect
      label={t.tenants.one}
      value={value}
      set={set}
      all={t.filters.allTenants}
      options={tenants.map((tenant) => ({ value: tenant.id, name: named(tenant) }))}
    />
  );
}
