-- Functions that are written into their callers, which they were not: one that is strict where its body is not, and one that
-- is immutable where its body is stable, is called, at ten times the cost.
set local role bccd_owner;

create or replace function event_time(microseconds bigint) returns timestamptz
    language sql stable strict parallel safe
    return timestamptz '1970-01-01 00:00:00+00' + microseconds * interval '1 microsecond';

create or replace function usage_window_key(slot timestamptz, span text, zone text) returns timestamp
    language sql stable parallel safe
    return case span when 'hour' then date_trunc('hour', slot, zone) at time zone 'UTC'
                     else date_trunc(span, slot at time zone zone) end;
