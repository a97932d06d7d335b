-- Tiers. Which a line is on, when, is changed with the line (0022_broadband_tiers.sql).

-- statement: list_broadband_tiers
select t.id as cursor, tier_document(t) as document
from broadband_tiers t
where (:offering_id::text is null or t.offering_id = :offering_id or t.offering_id is null)
  and (:state::text is null or t.state = :state)
  and (:code::text is null or t.code = :code)
{{page t.id}}

-- statement: get_broadband_tier
select tier_document(t) as document, t.version from broadband_tiers t where t.id = :broadband_tier_id

-- statement: create_broadband_tier keyed
with body as (
    select b.code, b.offering_id, b.name, b.name_en, b.committed_downstream_kbit, b.maximum_downstream_kbit,
           b.committed_upstream_kbit, b.maximum_upstream_kbit, b.session_timeout, b.idle_timeout, b.self_service,
           b.offering_id is null or exists (
               select from offerings o where o.id = b.offering_id and o.kind = 'broadband') as fits
    from json_to_record(:body::json) as b(
        code text, offering_id text, name text, name_en text, committed_downstream_kbit bigint,
        maximum_downstream_kbit bigint, committed_upstream_kbit bigint, maximum_upstream_kbit bigint,
        session_timeout integer, idle_timeout integer, self_service boolean)
), made as (
    insert into broadband_tiers (id, code, offering_id, name, name_en, committed_downstream_kbit,
                                 maximum_downstream_kbit, committed_upstream_kbit, maximum_upstream_kbit,
                                 session_timeout, idle_timeout, self_service)
    select :new_tir, b.code, b.offering_id, b.name, coalesce(b.name_en, ''),
           coalesce(b.committed_downstream_kbit, 0), b.maximum_downstream_kbit,
           coalesce(b.committed_upstream_kbit, 0), b.maximum_upstream_kbit, b.session_timeout, b.idle_timeout,
           coalesce(b.self_service, false)
    from body b where b.fits
    returning id, version, tier_document(broadband_tiers) as document
)
select case when b.fits then 'ok' else 'reference_unknown' end as outcome, '/offering_id' as pointer,
       'offering_id must name a broadband offering.' as detail,
       m.document, m.version, '/v1/broadband-tiers/' || m.id as location
from body b left join made m on true

-- statement: update_broadband_tier
with target as (
    select t.id, t.version from broadband_tiers t where t.id = :broadband_tier_id for no key update
), changed as (
    update broadband_tiers t
    set name = coalesce(b.body ->> 'name', t.name), name_en = coalesce(b.body ->> 'name_en', t.name_en),
        self_service = coalesce((b.body ->> 'self_service')::boolean, t.self_service),
        version = t.version + 1, updated_at = now()
    from target, (select :body::jsonb as body) b
    where t.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning t.id, t.version, tier_document(t) as document
)
select case when c.id is null then 'stale' else 'ok' end as outcome, c.document, c.version
from target left join changed c on c.id = target.id

-- statement: set_broadband_tier_state
-- :wanted is active or retired.
with target as (
    select t.id, t.state from broadband_tiers t where t.id = :broadband_tier_id for no key update
), changed as (
    update broadband_tiers t
    set state = :wanted, version = t.version + 1, updated_at = now()
    from target
    where t.id = target.id and target.state <> :wanted
    returning t.id, t.version, tier_document(t) as document
)
select case when c.id is null then 'state_conflict' else 'ok' end as outcome,
       format('It is %s already.', target.state) as detail, c.document, c.version
from target left join changed c on c.id = target.id

-- statement: apply_line_tiers
-- Those that have begun since: a trigger tells the lines' open sessions to end. A line that is being
-- changed has its turn the next time.
with due as (
    select t.tenant_id, t.resource_id, t.number
    from line_tiers t join resources r on r.tenant_id = t.tenant_id and r.id = t.resource_id
    where t.applied_at is null and t.starts_at <= now()
    order by t.starts_at
    limit :batch::integer
    for no key update skip locked
), applied as (
    update line_tiers t set applied_at = now()
    from due d
    where t.tenant_id = d.tenant_id and t.resource_id = d.resource_id and t.number = d.number
    returning t.number
)
select count(*) as applied from applied

-- statement: repeat_disconnects
-- Sessions whose Stop has not come in all that time: a trigger tells their servers again.
with due as (
    select s.tenant_id, s.resource_id, s.number
    from radius_sessions s
    where s.stopped_at is null and s.disconnect_attempts < :attempts::integer
      and s.disconnect_requested_at < now() - make_interval(secs => :pause::integer)
    order by s.disconnect_requested_at
    limit :batch::integer
    for update skip locked
), told as (
    update radius_sessions s
    set disconnect_requested_at = now(), disconnect_attempts = s.disconnect_attempts + 1
    from due d
    where s.tenant_id = d.tenant_id and s.resource_id = d.resource_id and s.number = d.number
    returning s.number
)
select count(*) as told from told
