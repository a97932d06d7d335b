-- The terminal that is reserved is read when it is locked. Read by the statement that looks for it, it was as it had
-- stood before the wait, and the history said that it came from where somebody else had just put it back.
set local role bccd_owner;

create or replace function terminal_reserve_any(by_actor text, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    to_resource text := body ->> 'resource_id';
    to_tenant text;
    wanted text;
    found_id text;
    chosen terminals;
begin
    perform from resources r where r.id = to_resource for no key update;
    to_tenant := terminal_renter(to_resource);
    wanted := coalesce(body ->> 'model', (select nullif(w.model, '') from terminal_resources w
                                          where w.tenant_id = to_tenant and w.resource_id = to_resource));
    if wanted is null then
        perform refuse('reference_unknown', 'model must be named, since the resource wishes for none.');
    elsif not exists (select from terminal_models m where m.name = wanted) then
        perform refuse('reference_unknown', format('There is no model %s; see GET /v1/terminal-models.', wanted));
    end if;
    perform terminal_make_room(null, to_resource, 'reserve', by_actor);
    found_id := terminal_of_stock(wanted);
    select t.* into chosen from terminals t where t.id = found_id;
    if not found then
        perform refuse_exhausted(wanted);
    end if;
    perform terminal_put(chosen, 'reserve', 'reserved', to_tenant, to_resource, null, by_actor, body);
    return query select terminal_document(t), t.version from terminals t where t.id = chosen.id;
end
$$;
