-- Jobs: how they are queued by any domain, claimed, kept and ended. `fence` is the number of the
-- claim; what does not show it changes nothing.

-- The condition decides whether it is queued at all, so that one statement may check first. No row
-- when it is not, or when work of the same key has not ended yet.
-- fragment: queue_operation(queued_id, queued_tenant, queued_kind, queued_argument, queued_key, queued_if)
insert into operations (id, tenant_id, kind, argument, unique_key, created_by)
select queued_id, queued_tenant, queued_kind, queued_argument, queued_key, setting('actor')
where queued_if
on conflict (unique_key) where state in ('queued', 'running') do nothing
returning id

-- Ended so many days ago, a batch at a time; `kept` is a condition on o.
-- fragment: forget_operations(kept)
with old as (
    select o.id
    from operations o
    where o.ended_at < now() - make_interval(days => :days::integer) and not (kept)
    limit :batch::integer
)
delete from operations o using old where o.id = old.id

-- fragment: end_of_lease(seconds)
now() + make_interval(secs => seconds::integer)

-- statement: arm_job
insert into operations (id, kind, period_seconds, unique_key)
values (:id, :kind, :period::bigint, 'periodic ' || :kind)
on conflict (unique_key) where state in ('queued', 'running')
do update set period_seconds = excluded.period_seconds

-- statement: claim_job
with due as (
    select o.id
    from operations o
    where o.kind = any (string_to_array(:kinds, ','))
      and o.not_before <= now()
      and (o.state = 'queued' or (o.state = 'running' and o.lease_until < now()))
    order by o.not_before, o.id
    limit 1
    for update skip locked
)
update operations o
set state = 'running', attempts = o.attempts + 1, fence = o.fence + 1, lease_owner = :owner,
    lease_until = {{end_of_lease :lease}}, started_at = coalesce(o.started_at, now()),
    version = o.version + 1
from due
where o.id = due.id
returning o.id, o.tenant_id, o.kind, o.argument::text as argument, o.fence, o.attempts, o.done,
          o.total

-- One that goes on is tried anew, however often it is interrupted.
-- statement: renew_job
update operations o
set lease_until = {{end_of_lease :lease}}, done = :done::bigint, total = :total::bigint,
    attempts = case when :done::bigint > o.done then 1 else o.attempts end, version = o.version + 1
where o.id = :id and o.fence = :fence::bigint and o.state = 'running'
returning o.attempts

-- Periodic ones come round again, whatever became of them.
-- statement: end_job
update operations o
set state = case when o.period_seconds is null then :state else 'queued' end,
    done = :done::bigint, total = :total::bigint, result = :result::jsonb,
    error = case when :code::text is null then null
                 else jsonb_build_object('code', :code::text, 'detail', :detail::text) end,
    attempts = case when o.period_seconds is null then o.attempts else 0 end,
    not_before = case when o.period_seconds is null then o.not_before
                      else {{end_of_lease o.period_seconds}} end,
    ended_at = case when o.period_seconds is null then now() end,
    lease_owner = null, lease_until = null, version = o.version + 1
where o.id = :id and o.fence = :fence::bigint and o.state = 'running'
returning o.id

-- statement: release_job
update operations o
set state = 'queued', attempts = o.attempts - :forgiven::integer,
    not_before = now() + make_interval(secs => :delay::integer), lease_owner = null,
    lease_until = null, version = o.version + 1
where o.id = :id and o.fence = :fence::bigint and o.state = 'running'
returning o.id

-- statement: set_job_actor
select set_config('bccd.actor', :actor, false)
