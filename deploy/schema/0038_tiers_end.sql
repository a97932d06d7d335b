-- A line that ends has no tier any more that is to come.
set local role bccd_owner;

-- What a resource leaves when it ends: plan, quantity and tier stop, seats are given back, and no hold is left.
create or replace function resource_end(of_tenant text, of_resource text, at timestamptz) returns void
    language plpgsql
as $$
begin
    delete from plan_assignments p
    where p.tenant_id = of_tenant and p.resource_id = of_resource and p.starts_at > at;
    update plan_assignments p set ends_at = at
    where p.tenant_id = of_tenant and p.resource_id = of_resource and (p.ends_at is null or p.ends_at > at);
    delete from resource_quantities q
    where q.tenant_id = of_tenant and q.resource_id = of_resource and q.starts_at > at;
    update resource_quantities q set ends_at = at
    where q.tenant_id = of_tenant and q.resource_id = of_resource and (q.ends_at is null or q.ends_at > at);
    delete from line_tiers t
    where t.tenant_id = of_tenant and t.resource_id = of_resource and t.starts_at > at;
    update line_tiers t set ends_at = at
    where t.tenant_id = of_tenant and t.resource_id = of_resource and (t.ends_at is null or t.ends_at > at);
    update software_seats s set released_at = clock_timestamp(), version = s.version + 1
    where s.tenant_id = of_tenant and s.resource_id = of_resource and s.released_at is null;
    delete from resource_holds h where h.tenant_id = of_tenant and h.resource_id = of_resource;
end
$$;

-- Of lines that have ended before. That is no change that somebody made; their documents are made anew when asked for.
alter table line_tiers disable trigger user;
alter table line_tiers no force row level security;
alter table resources no force row level security;
alter table resource_documents no force row level security;
with gone as (
    delete from line_tiers t using resources r
    where r.tenant_id = t.tenant_id and r.id = t.resource_id
      and r.state in ('terminating', 'terminated', 'rejected') and t.starts_at > clock_timestamp()
    returning t.tenant_id, t.resource_id
)
update resource_documents d set holds_until = '-infinity'
from gone g where d.tenant_id = g.tenant_id and d.resource_id = g.resource_id;
alter table resource_documents force row level security;
alter table resources force row level security;
alter table line_tiers force row level security;
alter table line_tiers enable trigger user;

-- A term that is over ends its line, too.
grant update, delete on line_tiers to bccd_jobs;
