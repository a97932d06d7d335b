-- As before, and not strict, so that it is written into its caller: usage of a month calls it for each of its slots.
set local role bccd_owner;

create or replace function usage_window_key(slot timestamptz, span text, zone text) returns timestamp
    language sql stable parallel safe
    return case span when 'hour' then date_trunc('hour', slot, zone) at time zone 'UTC'
                     else date_trunc(span, slot at time zone zone) end;
