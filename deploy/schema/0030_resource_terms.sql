-- Terms: until which day a resource is rented. It ends with that day, unless it is renewed before.
set local role bccd_owner;

alter table resources add rented_until date; -- the last day, where the platform is; null: until somebody ends it
create index resources_rented_until on resources (rented_until)
    where rented_until is not null and state not in ('terminating', 'terminated', 'rejected');

alter table resource_actions no force row level security;
insert into resource_actions (kind, action, from_state, to_state, by_tenant)
select k.kind, 'renew', s.state, s.state, true
from (values ('software'), ('broadband'), ('terminal')) as k(kind)
cross join (values ('approved'), ('provisioning'), ('active'), ('suspended')) as s(state);
alter table resource_actions force row level security;

-- A day that a term may end with.
create function check_term(last_day date) returns void
    language plpgsql
as $$
begin
    if last_day not between platform_today() and platform_today() + interval '10 years' then
        perform refuse('term_refused', format('rented_until must be from %s to ten years ahead.', platform_today()));
    end if;
end
$$;

-- A tenant makes a term longer; the operator may also make it shorter, or give one where there is none.
create function check_renewal(target resources, by_side text, last_day date) returns void
    language plpgsql
as $$
begin
    perform check_term(last_day);
    if by_side = 'tenant' and target.rented_until is null then
        perform refuse('term_refused', 'The resource is rented until somebody ends it; there is nothing to renew.');
    elsif by_side = 'tenant' and last_day <= target.rented_until then
        perform refuse('term_refused', format('rented_until must be after %s; to end it earlier, terminate it.', target.rented_until));
    end if;
end
$$;

create function resource_renew(target resources, by_side text, body jsonb) returns void
    language plpgsql
as $$
begin
    perform check_renewal(target, by_side, (body ->> 'rented_until')::date);
    update resources r set rented_until = (body ->> 'rented_until')::date
    where r.tenant_id = target.tenant_id and r.id = target.id;
end
$$;

-- ---- Devices are due when the term ends ----

create function terminals_due_with_term() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update terminals t set due_on = new.rented_until where t.resource_id = new.id and t.state = 'rented';
    return null;
end
$$;
grant update (due_on) on terminals to bccd_lookup;
grant select (resource_id, state) on terminals to bccd_lookup;
create policy lookup on terminals to bccd_lookup using (true);
alter function terminals_due_with_term owner to bccd_lookup;
create trigger terminals_due after update of rented_until on resources for each row
    when (new.kind = 'terminal' and old.rented_until is distinct from new.rented_until)
    execute function terminals_due_with_term();

create function terminal_due_with_term() returns trigger
    language plpgsql
as $$
begin
    new.due_on := (select r.rented_until from resources r where r.id = new.resource_id);
    return new;
end
$$;
create trigger due before update of state on terminals for each row
    when (new.state = 'rented' and old.state <> 'rented' and new.due_on is null)
    execute function terminal_due_with_term();

-- ---- The end of a term ----

-- From when the end of a term counts: the day after it, where nothing has counted since and that month is not settled yet;
-- null: from now.
create function term_effective_at(target resources) returns timestamptz
    language sql stable
as $$
    select case when not period_is_settled(target.tenant_id, period_of(e.at)) then e.at end
    from (select greatest((target.rented_until + 1)::timestamp at time zone p.time_zone, max(t.effective_at)) as at
          from platform p, resource_transitions t
          where t.tenant_id = target.tenant_id and t.resource_id = target.id
          group by p.time_zone) e
$$;

-- Ends what was rented until a day that is over, some at a time; how many. One that cannot be ended holds up no other:
-- it is tried again.
create function resources_expire(at_most integer) returns integer
    language plpgsql
as $$
declare
    target resources;
    ended integer := 0;
begin
    for target in
        select r.* from resources r
        where r.rented_until < platform_today() and r.state not in ('terminating', 'terminated', 'rejected')
        order by r.rented_until, r.id limit at_most for no key update skip locked
    loop
        begin
            perform from resource_act(
                target.tenant_id, 'operator', coalesce(setting('actor'), session_user), target.id, 'terminate', null,
                jsonb_build_object('reason', 'term_ended', 'effective_at', instant_text(term_effective_at(target))), null);
            ended := ended + 1;
        exception
            when sqlstate 'BC422' then
                raise log 'the term of % is over, and it cannot be ended: %', target.id, sqlerrm;
        end;
    end loop;
    return ended;
end
$$;
