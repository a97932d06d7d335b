-- What is stored together is stored wholly or not at all: a key that is there refuses the statement.
set local role bccd_owner;

drop function refuse_claimed_in_part(bigint);
