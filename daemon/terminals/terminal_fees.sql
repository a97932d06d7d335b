-- Fees for lost and damaged terminals. How they arise, and what is done with them, is functions of the schema
-- (0048_terminal_fees.sql); a bill makes them lines.

-- statement: list_terminal_fees
select f.id as cursor, terminal_fee_document(f, :actor_side) as document
from terminal_fees f
where {{own f}}
  and (:state::text is null or f.state = any (string_to_array(:state, ',')))
  and (:cause::text is null or f.cause = :cause)
  and (:resource_id::text is null or f.resource_id = :resource_id)
  and (:period::text is null or f.period = :period)
{{page f.id}}

-- statement: get_terminal_fee
-- Its actions and its bill change without its version.
select terminal_fee_document(f, :actor_side) as document, f.version, true as changes
from terminal_fees f
where f.id = :terminal_fee_id and {{own f}}

-- statement: charge_terminal_fee keyed
select c.document, c.version, '/v1/terminal-fees/' || (c.document ->> 'id') as location
from terminal_fee_charge(:actor, :body::jsonb) c

-- statement: dispute_terminal_fee keyed
select d.document, d.version
from terminal_fee_dispute(:tenant, :actor_side, :terminal_fee_id, :if_match::bigint, :actor, :body::jsonb) d

-- statement: decide_terminal_fee keyed
select d.document, d.version
from terminal_fee_decide(:terminal_fee_id, :if_match::bigint, :actor, :body::jsonb) d

-- statement: let_fees_fall_due
select terminal_fees_fall_due(:batch::integer) as done

-- statement: count_as_lost
select terminals_count_as_lost(:batch::integer) as done
