-- Ended work and sent messages are forgotten in time, but for the work that something else names.
set local role bccd_owner;

create index operations_ended on operations (ended_at) where ended_at is not null;
create index courier_messages_ended on courier_messages (ended_at) where ended_at is not null;

alter table billing_runs add foreign key (operation_id) references operations;
create index billing_runs_operation on billing_runs (operation_id);
alter table exports add foreign key (operation_id) references operations;
create index exports_operation on exports (operation_id);

-- A month has a row from its close on, and never before: `state` and `version` say nothing, and go when
-- no daemon that writes them can be running any more.
alter table periods alter state set default 'closed', alter gate set not null,
    alter closed_at set not null;
comment on table periods is 'domain: billing; closed calendar months in the operator''s zone; immutable';
