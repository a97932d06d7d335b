-- Small batches of many tenants are stored together, and nobody waits there for what holds one of them up: whose locks are not
-- to be had at once is stored by itself.
set local role bccd_owner;

-- As lock_usage_periods; false where it would wait.
create function try_lock_usage_periods(first timestamptz, last timestamptz) returns boolean
    language plpgsql volatile
as $$
declare
    zone text;
    month timestamp;
    final timestamp;
begin
    select p.time_zone into strict zone from platform p;
    month := date_trunc('month', first at time zone zone);
    final := date_trunc('month', greatest(last, now()) at time zone zone) + interval '1 month';
    while month <= final loop
        if not pg_try_advisory_xact_lock_shared(hashtextextended('period ' || to_char(month, 'YYYY-MM'), 20261102)) then
            return false;
        end if;
        month := month + interval '1 month';
    end loop;
    return true;
end
$$;

-- Those tenants whose events can be stored now, separated by blanks; none where the months or the meters are held. As
-- lock_usage_periods, lock_meters_shared and lock_tenant_events_shared, without a wait.
create function try_lock_gathered(first timestamptz, last timestamptz, tenants text[]) returns text
    language plpgsql volatile
as $$
begin
    if not try_lock_usage_periods(first, last)
       or not pg_try_advisory_xact_lock_shared(hashtextextended('meters', 20261127)) then
        return '';
    end if;
    return coalesce((select string_agg(t, ' ') from unnest(tenants) t
                     where pg_try_advisory_xact_lock_shared(hashtextextended('events ' || t, 20261130))), '');
end
$$;

-- Of a batch some keys were there and others are claimed now: nothing of what is stored with it stands.
create function refuse_claimed_in_part(batches bigint) returns boolean
    language plpgsql volatile
as $$
begin
    if batches > 0 then
        raise exception using errcode = 'BC409', message = 'claimed_in_part';
    end if;
    return true;
end
$$;
