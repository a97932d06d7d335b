-- What the audit trail says of a table without secret columns: for its trigger tg_argv is null and no empty
-- array, and a row less null is null, so its rows said nothing of whom they were about, or what it was.
set local role bccd_owner;

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

-- A tenant sees its own of what it may see at all: neither how it is billed, nor the draft of a bill.
create function audit_shown_to_tenant(a audit_events) returns boolean
    language sql immutable
    return a.table_name <> 'billing_runs'
           and (a.table_name <> 'invoices' or coalesce(coalesce(a.new, a.old) ->> 'state' = 'finalized', false));
create policy shown on audit_events as restrictive for select to bccd_tenant
    using (audit_shown_to_tenant(audit_events));
