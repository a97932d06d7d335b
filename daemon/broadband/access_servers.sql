-- Network access servers: the operator's names for what packets make known, and where each is told to
-- end a session. :secret is the sealed one.

-- statement: list_network_access_servers
select s.id as cursor, server_document(s) as document
from radius_servers s
where (:identifier::text is null or s.identifier = :identifier)
{{page s.id}}

-- statement: get_network_access_server
select server_document(s) as document, s.version from radius_servers s where s.id = :network_access_server_id

-- statement: create_network_access_server keyed
with made as (
    insert into radius_servers (id, address, identifier, name, coa_address, coa_port, coa_secret)
    select :server_id, coalesce(b.address, ''), coalesce(b.identifier, ''), coalesce(b.name, ''), b.coa_address,
           coalesce(b.coa_port, 3799), decode(:secret, 'hex')
    from json_to_record(:order::json) as b(
        address text, identifier text, name text, coa_address inet, coa_port integer)
    returning id, version, server_document(radius_servers) as document
)
select m.document, m.version, '/v1/network-access-servers/' || m.id as location from made m

-- statement: update_network_access_server
with target as (
    select s.id, s.version from radius_servers s where s.id = :network_access_server_id for no key update
), changed as (
    update radius_servers s
    set name = coalesce(b.body ->> 'name', s.name),
        coa_address = case when b.body ? 'coa_address' then (b.body ->> 'coa_address')::inet else s.coa_address end,
        coa_port = coalesce((b.body ->> 'coa_port')::integer, s.coa_port),
        coa_secret = case when :secret_sent::boolean then decode(:secret, 'hex') else s.coa_secret end,
        version = s.version + 1, updated_at = now()
    from target, (select :order::jsonb as body) b
    where s.id = target.id and (:if_match::bigint is null or target.version = :if_match::bigint)
    returning s.id, s.version, server_document(s) as document
)
select case when c.id is null then 'stale' else 'ok' end as outcome, c.document, c.version
from target left join changed c on c.id = target.id
