-- The audit trail of every table, which who was shown a licence key is a part of.
set local role bccd_owner;

-- Without arguments a trigger's tg_argv is null, not empty: of tables without secret columns the trail said neither
-- whose the row was nor what changed.
create or replace function audit_row() returns trigger
    language plpgsql
as $$
declare
    secret text[] := coalesce(tg_argv, '{}');
    before_row jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - secret end;
    after_row jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - secret end;
    named jsonb := coalesce(after_row, before_row);
begin
    if tg_op = 'UPDATE' and to_jsonb(old) = to_jsonb(new) then
        return null;
    end if;
    insert into audit_events (tenant_id, actor, request_id, address, table_name, row_id, action, old, new)
    values (case tg_table_name when 'tenants' then named ->> 'id' else named ->> 'tenant_id' end,
            coalesce(setting('actor'), session_user), setting('request'), setting('address'),
            tg_table_name, named ->> 'id', lower(tg_op), before_row, after_row);
    return null;
end
$$;
