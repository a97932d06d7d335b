-- What the overview counts: states over time, bills that are due, traffic in quarantine.
set local role bccd_owner;

create index resource_transitions_active on resource_transitions (effective_at)
    where 'active' in (from_state, to_state);
create index invoices_due on invoices (due_on, id);
create index radius_quarantine_time on radius_quarantine (received_at);
grant select on radius_quarantine to bccd_tenant; -- which sees none: for the statement that all roles share
