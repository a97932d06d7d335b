-- Licence keys of software, which are shown on record alone; with what is asked of seats and keys: is this person, or
-- this key, entitled?
set local role bccd_owner;

-- ---- Licence keys ----

-- Sealed by the daemon before PostgreSQL sees them. The digest is keyed, by HMAC-SHA-256 under a key made of the
-- master key: it finds a key and tells nothing of it.
create table licence_keys (
    id text collate "C" not null unique check (id like 'lic\_%'),
    tenant_id text collate "C" not null,
    resource_id text collate "C" not null,
    secret bytea not null check (length(secret) between 31 and 2030),
    digest bytea not null check (length(digest) = 32),
    ending text not null check (length(ending) <= 4), -- all that is shown of it
    label text not null default '' check (length(label) <= 200),
    seats integer check (seats > 0), -- which the vendor grants with it, where it says so
    valid_until timestamptz,
    seat_id text collate "C",
    revoked_at timestamptz,
    reason text not null default '' check (length(reason) <= 500), -- of its revocation
    state text collate "C" not null generated always as (
        case when revoked_at is not null then 'revoked' when seat_id is not null then 'assigned'
             else 'available' end) stored,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, resource_id) references resources (tenant_id, id),
    foreign key (tenant_id, seat_id) references software_seats (tenant_id, id),
    constraint licence_keys_used unique (digest),
    constraint licence_keys_revoked check (revoked_at is null or seat_id is null)
);
comment on table licence_keys is 'domain: software; keys that a vendor''s application asks for, sealed';
create index licence_keys_resource on licence_keys (tenant_id, resource_id, id);
create unique index licence_keys_seat on licence_keys (tenant_id, seat_id) where seat_id is not null;
-- By address, whatever its case; and over all subscriptions of a tenant.
create index software_seats_email on software_seats (tenant_id, lower(email), resource_id) where released_at is null;

create table licence_key_reveals (
    tenant_id text collate "C" not null,
    licence_key_id text collate "C" not null,
    number integer not null check (number > 0),
    actor text collate "C" not null,
    at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, licence_key_id, number),
    foreign key (tenant_id, licence_key_id) references licence_keys (tenant_id, id)
);
comment on table licence_key_reveals is 'domain: software; who was shown which licence key in clear, and when';

call protect_tenant_table('licence_keys');
call protect_tenant_table('licence_key_reveals');
grant select on licence_keys, licence_key_reveals to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on licence_keys to bccd_operator;
-- Where a tenant gives a seat back or ends a subscription, or its term ends, its keys follow.
grant update (seat_id, revoked_at, reason, version, updated_at) on licence_keys to bccd_tenant, bccd_operator, bccd_jobs;
grant insert on licence_key_reveals to bccd_tenant, bccd_operator;
call audit_table('licence_keys', 'secret', 'digest');
call audit_table('licence_key_reveals');

create function licence_key_document(k licence_keys) returns json
    language sql stable
as $$
    select json_build_object(
        'id', k.id, 'resource_id', k.resource_id, 'masked', '****' || k.ending, 'label', k.label, 'state', k.state,
        'seats', k.seats, 'valid_until', instant_text(k.valid_until), 'seat_id', k.seat_id,
        'revoked_at', instant_text(k.revoked_at), 'reason', k.reason,
        'created_at', instant_text(k.created_at), 'updated_at', instant_text(k.updated_at))
$$;

-- Adds keys, each {id, secret, digest, ending, label, seats, valid_until}; no row when there is no such subscription.
-- The lock keeps it from ending meanwhile.
create function licence_keys_add(for_tenant text, of_resource text, keys jsonb) returns table (document json)
    language plpgsql
as $$
declare
    target record;
    added bigint;
    wrong bigint;
begin
    select r.tenant_id, r.state into target from resources r
    where r.id = of_resource and (for_tenant is null or r.tenant_id = for_tenant) and r.kind = 'software' for share;
    if not found then
        return;
    elsif target.state not in ('approved', 'provisioning', 'active', 'suspended') then
        perform refuse('state_conflict', format('The subscription is %s; it takes no keys.', target.state));
    end if;
    insert into licence_keys (id, tenant_id, resource_id, secret, digest, ending, label, seats, valid_until)
    select k.id, target.tenant_id, of_resource, decode(k.secret, 'hex'), decode(k.digest, 'hex'), k.ending,
           coalesce(k.label, ''), k.seats, k.valid_until
    from jsonb_to_recordset(keys) as k(id text, secret text, digest text, ending text, label text, seats integer,
                                       valid_until timestamptz)
    on conflict on constraint licence_keys_used do nothing;
    get diagnostics added = row_count;
    if added < jsonb_array_length(keys) then
        select min(e.place) into wrong from jsonb_array_elements(keys) with ordinality as e(key, place)
        where not exists (select from licence_keys k where k.id = e.key ->> 'id');
        perform refuse('licence_key_used', format('Key %s of the request is there already; nothing was added.', wrong));
    end if;
    return query
        select json_build_object('data', json_agg(licence_key_document(k) order by e.place))
        from jsonb_array_elements(keys) with ordinality as e(key, place)
        join licence_keys k on k.tenant_id = target.tenant_id and k.id = e.key ->> 'id';
end
$$;

-- Takes an action; no row when there is no such key of that tenant (null: of any).
create function licence_key_act(for_tenant text, of_resource text, of_key text, by_action text, seen_version bigint,
                                body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    target licence_keys;
    seat_there boolean;
begin
    -- The seat is locked before the key, as its release does.
    if by_action = 'assign' then
        perform from software_seats s
        where s.id = body ->> 'seat_id' and s.resource_id = of_resource and s.released_at is null
          and (for_tenant is null or s.tenant_id = for_tenant) for share;
        seat_there := found;
    end if;
    select k.* into target from licence_keys k
    where k.id = of_key and k.resource_id = of_resource and (for_tenant is null or k.tenant_id = for_tenant)
    for no key update;
    if not found then
        return;
    elsif seen_version <> target.version then
        perform refuse('precondition_failed', null);
    elsif not target.state = any (case by_action when 'assign' then '{available}' when 'unassign' then '{assigned}'
                                                 else '{available,assigned}' end::text[]) then
        perform refuse('state_conflict', format('The key is %s, which does not allow to %s it.', target.state, by_action));
    elsif not seat_there then
        perform refuse('reference_unknown', 'seat_id must name a seat of the subscription that is assigned to somebody.');
    elsif by_action = 'assign' and exists (select from licence_keys k where k.tenant_id = target.tenant_id
                                                                        and k.seat_id = body ->> 'seat_id') then
        perform refuse('state_conflict', 'The seat has a key already.');
    end if;
    update licence_keys k
    set seat_id = case by_action when 'assign' then body ->> 'seat_id' end,
        revoked_at = case by_action when 'revoke' then clock_timestamp() end,
        reason = coalesce(body ->> 'reason', ''),
        version = k.version + 1, updated_at = clock_timestamp()
    where k.tenant_id = target.tenant_id and k.id = target.id;
    return query select licence_key_document(k), k.version from licence_keys k
                 where k.tenant_id = target.tenant_id and k.id = target.id;
end
$$;

-- The sealed key, after noting who is shown it; no row when there is no such key of that tenant (null: of any).
create function licence_key_reveal(for_tenant text, by_side text, by_actor text, of_resource text, of_key text)
    returns table (tenant_id text, secret text)
    language plpgsql
as $$
#variable_conflict use_column
declare
    target licence_keys;
begin
    select k.* into target from licence_keys k
    where k.id = of_key and k.resource_id = of_resource and (for_tenant is null or k.tenant_id = for_tenant)
    for no key update;
    if not found then
        return;
    elsif by_side = 'tenant' and target.state = 'revoked' then
        perform refuse('state_conflict', 'The key is revoked.');
    end if;
    insert into licence_key_reveals (tenant_id, licence_key_id, number, actor)
    select target.tenant_id, target.id, coalesce(max(v.number), 0) + 1, by_actor
    from licence_key_reveals v where v.tenant_id = target.tenant_id and v.licence_key_id = target.id;
    return query select target.tenant_id, encode(target.secret, 'hex');
end
$$;

-- ---- Keys follow seats and subscriptions ----

create function free_licence_key() returns trigger
    language plpgsql
as $$
begin
    update licence_keys k set seat_id = null, version = k.version + 1, updated_at = clock_timestamp()
    where k.tenant_id = new.tenant_id and k.seat_id = new.id;
    return null;
end
$$;
create trigger free_licence_key after update of released_at on software_seats
    for each row when (old.released_at is null and new.released_at is not null)
    execute function free_licence_key();

create function revoke_licence_keys() returns trigger
    language plpgsql
as $$
begin
    update licence_keys k
    set seat_id = null, revoked_at = clock_timestamp(), reason = format('The subscription is %s.', new.state),
        version = k.version + 1, updated_at = clock_timestamp()
    where k.tenant_id = new.tenant_id and k.resource_id = new.id and k.revoked_at is null;
    return null;
end
$$;
-- At the transaction's end: seats are locked before their keys.
create constraint trigger revoke_licence_keys after update on resources
    deferrable initially deferred for each row
    when (new.kind = 'software' and new.state in ('terminated', 'rejected') and old.state <> new.state)
    execute function revoke_licence_keys();
