-- A batch that is sent again is known by its digest and the key of its first event: a sender that got no answer sends the same.
set local role bccd_owner;

alter table event_batches add column digest bytea; -- of the keys of its events and their content, in their order
