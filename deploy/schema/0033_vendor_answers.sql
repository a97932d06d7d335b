-- What the courier asks vendors, and what follows from what came of it.
--
-- outcome      what came of one call (proto/osb.h)
--   done         it is as wanted            accepted    it will be; ask how far it is
--   in_progress  not yet                    gone        there is no such instance, any more
--   failed       the vendor could not       rejected    it will not; nothing has changed there
--   busy         not now; nothing changed   unknown     an error, or an answer that says nothing
--   lost         no answer in time          unsent      it did not reach the vendor
--
-- call         answers                                      what follows
--   provision    done                                         the resource is activated
--                accepted, in_progress                        it is polled; after the deadline undone
--                rejected                                     the resource failed
--                busy, unsent                                 again; after the deadline failed, or undone where one was sent
--                failed, unknown, lost, gone                  undone: the instance is removed, then the resource failed
--   (polling)    all but done, failed, in_progress            polled on; after the deadline undone
--   update       done                                         plan and seats change, from now on
--                rejected, failed                             it failed; nothing changed
--                others                                       again; after the deadline failed, or undone where one was lost
--   deprovision  done, gone                                   the instance is gone; the resource terminated, or failed
--                others                                       again, for ever
-- Undoing an update is one with the values of before, tried for ever.
set local role bccd_owner;

-- ---- Steps ----

-- What was undone keeps the problem for which it was.
create function vendor_end(o vendor_operations, new_state text) returns void
    language sql
as $$
    update vendor_operations v
    set state = new_state, polling = false, problem_code = coalesce(v.wanted ->> 'cause', v.problem_code),
        problem_detail = coalesce(v.wanted ->> 'cause_detail', v.problem_detail), ended_at = clock_timestamp(), updated_at = clock_timestamp(), version = v.version + 1
    where v.tenant_id = o.tenant_id and v.id = o.id
$$;

create function vendor_instance_end(o vendor_operations, new_state text) returns void
    language sql
as $$
    update vendor_instances i set state = new_state, ended_at = clock_timestamp()
    where i.tenant_id = o.tenant_id and i.resource_id = o.resource_id and i.number = o.instance
$$;

-- The operation's own action on its resource.
create function vendor_do(o vendor_operations, by_action text, body jsonb) returns void
    language sql
as $$
    select from resource_act(o.tenant_id, 'operator', o.actor, o.resource_id, by_action, null,
                             jsonb_build_object('reason', o.id) || body, null)
$$;

create function vendor_note(o vendor_operations, code text, detail text) returns void
    language sql
as $$
    update vendor_operations v set problem_code = code, problem_detail = left(coalesce(detail, ''), 500)
    where v.tenant_id = o.tenant_id and v.id = o.id
$$;

create function vendor_undo(o vendor_operations) returns void
    language plpgsql
as $$
begin
    update vendor_operations v
    set state = 'undoing', call = case v.kind when 'change' then 'update' else 'deprovision' end, polling = false,
        vendor_operation = null, attempts = 0,
        wanted = v.wanted || jsonb_build_object('cause', v.problem_code, 'cause_detail', v.problem_detail), not_before = clock_timestamp(), updated_at = clock_timestamp(),
        version = v.version + 1
    where v.tenant_id = o.tenant_id and v.id = o.id;
    perform touch_resource(o.tenant_id, o.resource_id);
end
$$;

-- It did not come about, and nothing of it is at the vendor.
create function vendor_fail(o vendor_operations) returns void
    language plpgsql
as $$
begin
    perform vendor_end(o, case o.state when 'undoing' then 'undone' else 'failed' end);
    if o.kind = 'provision' then
        perform vendor_instance_end(o, 'gone');
        perform vendor_do(o, 'fail', (
            select jsonb_build_object('code', replace(v.problem_code, '_', '-'), 'detail', v.problem_detail, 'retryable', true)
            from vendor_operations v where v.tenant_id = o.tenant_id and v.id = o.id));
    else
        perform touch_resource(o.tenant_id, o.resource_id);
    end if;
end
$$;

-- What was wanted of a change counts from now on.
create function vendor_apply(o vendor_operations) returns void
    language plpgsql
as $$
declare
    at timestamptz := resource_effective_at(o.tenant_id, o.resource_id, null, null);
begin
    update vendor_instances i
    set vendor_plan_id = o.wanted ->> 'vendor_plan_id', parameters = o.wanted -> 'parameters'
    where i.tenant_id = o.tenant_id and i.resource_id = o.resource_id and i.number = o.instance;
    if o.wanted ? 'plan_id' then
        perform resource_assign_plan(o.tenant_id, o.resource_id, o.wanted ->> 'plan_id', (o.wanted ->> 'plan_version')::integer, at);
    end if;
    if (o.wanted ->> 'seats')::numeric <> (resource_now(o.tenant_id, o.resource_id)).quantity then
        perform resource_set_quantity(o.tenant_id, o.resource_id, (o.wanted ->> 'seats')::numeric, at);
    end if;
    perform resource_transit(o.tenant_id, o.resource_id, 'change', r.state, at, o.actor,
                             jsonb_build_object('reason', o.wanted ->> 'reason'))
    from resources r where r.tenant_id = o.tenant_id and r.id = o.resource_id;
end
$$;

create function vendor_done(o vendor_operations) returns void
    language plpgsql
as $$
begin
    if o.call = 'deprovision' and o.state = 'undoing' then
        perform vendor_fail(o);
    elsif o.call = 'deprovision' then
        perform vendor_end(o, 'succeeded');
        perform vendor_instance_end(o, 'gone');
        perform vendor_do(o, 'terminate', '{}');
    elsif o.state = 'undoing' then
        perform vendor_end(o, 'undone');
        perform touch_resource(o.tenant_id, o.resource_id);
    elsif o.call = 'provision' then
        perform vendor_end(o, 'succeeded');
        update vendor_instances i set state = 'live'
        where i.tenant_id = o.tenant_id and i.resource_id = o.resource_id and i.number = o.instance;
        perform vendor_do(o, 'activate', '{}');
    else
        perform vendor_end(o, 'succeeded');
        perform vendor_apply(o);
    end if;
end
$$;

-- The same again, or the next look, later: twice as late each time, within bounds, or as the vendor says.
create function vendor_later(o vendor_operations, waited boolean, poll_again boolean, pause integer, retry_after integer) returns void
    language sql
as $$
    update vendor_operations v
    set attempts = case when waited then 0 else v.attempts + 1 end, polling = poll_again,
        not_before = clock_timestamp() + make_interval(secs => coalesce(
            least(greatest(retry_after, 1), 3600),
            least(pause * case when waited then 1 else power(2, least(v.attempts, 10))::integer end, greatest(pause, 600)))),
        updated_at = clock_timestamp()
    where v.tenant_id = o.tenant_id and v.id = o.id
$$;

-- ---- The answer ----

create function vendor_problem(outcome text, error text) returns text
    language sql immutable
    return case when error = 'Unauthorized' then 'vendor_refused_us'
                else case outcome when 'unsent' then 'vendor_unreachable' when 'busy' then 'vendor_busy'
                                  when 'lost' then 'vendor_silent' when 'rejected' then 'vendor_rejected'
                                  when 'failed' then 'vendor_failed' when 'in_progress' then 'vendor_slow'
                                  else 'vendor_error' end end;

-- What follows from one answer of an operation that goes on: done, accepted, undo, fail, later.
create function vendor_verdict(o vendor_operations, outcome text) returns text
    language sql stable
as $$
    select case
        when outcome = 'accepted' and not o.polling then 'accepted'
        when o.call = 'deprovision' and outcome = 'gone' then
            case when o.lost_until > clock_timestamp() then 'settle' else 'done' end
        when outcome = 'done' then 'done'
        when o.call = 'deprovision' or o.state = 'undoing' then 'later'
        when o.call = 'update' and outcome in ('rejected', 'failed') then case when o.polling and outcome = 'rejected' then late else 'fail' end
        when o.call = 'provision' and (outcome = 'failed' or not o.polling and outcome in ('unknown', 'lost', 'gone')) then 'undo'
        when o.call = 'provision' and not o.polling and outcome = 'rejected' then case when o.lost_until is null then 'fail' else 'undo' end
        else late end
    from (select case when o.deadline > clock_timestamp() then 'later'
                      when o.polling or o.lost_until is not null or o.call = 'provision' and o.sent then 'undo'
                      else 'fail' end as late) l
$$;

-- Takes what came of the call `fence` of an operation. answer: operation, dashboard_url, error, detail, retry_after.
create function vendor_answer(of_operation text, fence bigint, outcome text, answer jsonb, poll_seconds integer,
                              request_seconds integer)
    returns void
    language plpgsql
as $$
declare
    o vendor_operations;
    verdict text;
begin
    perform from resources r
    where (r.tenant_id, r.id) = (select v.tenant_id, v.resource_id from vendor_operations v where v.id = of_operation)
    for no key update;
    update vendor_operations v
    set answered = v.claims, sent = v.sent or outcome <> 'unsent',
        lost_until = case when outcome = 'lost' and v.call <> 'deprovision' and not v.polling
                          then greatest(v.lost_until, clock_timestamp() + make_interval(secs => 2 * request_seconds))
                          else v.lost_until end,
        problem_code = case when outcome in ('done', 'accepted', 'in_progress') or outcome = 'gone' and v.call = 'deprovision' then v.problem_code
                            else vendor_problem(outcome, answer ->> 'error') end,
        problem_detail = case when outcome in ('done', 'accepted', 'in_progress') or outcome = 'gone' and v.call = 'deprovision' then v.problem_detail
                              else left(coalesce(answer ->> 'detail', ''), 500) end
    where v.id = of_operation and v.claims = fence and v.answered < fence and v.ended_at is null
    returning v.* into o;
    if not found then
        return;
    end if;
    perform set_config('bccd.actor', o.actor, true);
    if answer ->> 'dashboard_url' is not null then
        update vendor_instances i set dashboard_url = answer ->> 'dashboard_url'
        where i.tenant_id = o.tenant_id and i.resource_id = o.resource_id and i.number = o.instance;
    end if;
    verdict := vendor_verdict(o, outcome);
    if verdict in ('undo', 'fail') and outcome in ('in_progress', 'accepted') then
        perform vendor_note(o, 'vendor_slow', format('It was not done by %s.', instant_text(o.deadline)));
    end if;
    case verdict
        when 'done' then perform vendor_done(o);
        when 'undo' then perform vendor_undo(o);
        when 'fail' then perform vendor_fail(o);
        when 'accepted' then
            update vendor_operations v set vendor_operation = answer ->> 'operation' where v.tenant_id = o.tenant_id and v.id = o.id;
            perform vendor_later(o, true, true, poll_seconds, (answer ->> 'retry_after')::integer);
        when 'settle' then
            update vendor_operations v
            set polling = false, not_before = o.lost_until, problem_code = 'vendor_silent',
                problem_detail = 'It is asked once more when it can no longer be at what it did not answer.'
            where v.tenant_id = o.tenant_id and v.id = o.id;
        else
            -- What the vendor no longer polls, or could not do, is asked for anew.
            perform vendor_later(o, outcome = 'in_progress', o.polling and not (
                                     outcome in ('failed', 'rejected', 'gone') and (o.state = 'undoing' or o.call = 'deprovision')),
                                 poll_seconds, (answer ->> 'retry_after')::integer);
    end case;
end
$$;

-- ---- What people do about it ----

-- `retry`: now, and for as long again. `abandon`: somebody has cleared it up with the vendor; the resource goes on as if
-- the vendor had confirmed it. No row when there is no such operation of that tenant (null: of any).
create function vendor_operation_act(for_tenant text, by_actor text, of_operation text, by_action text, seen_version bigint, body jsonb)
    returns table (document json, version bigint)
    language plpgsql
as $$
declare
    o vendor_operations;
begin
    perform from resources r
    where (r.tenant_id, r.id) = (select v.tenant_id, v.resource_id from vendor_operations v where v.id = of_operation)
    for no key update;
    select v.* into o from vendor_operations v
    where v.id = of_operation and (for_tenant is null or v.tenant_id = for_tenant) for no key update;
    if not found then
        return;
    elsif seen_version <> o.version then
        perform refuse('precondition_failed', null);
    elsif not (vendor_operation_document(o, 'operator')::jsonb -> 'actions') ? by_action then
        perform refuse('state_conflict', format('The operation is %s, which does not allow this; see its actions.', o.state));
    elsif by_action = 'retry' then
        update vendor_operations v
        set attempts = 0, not_before = case when v.claims > v.answered then v.not_before else clock_timestamp() end,
            deadline = greatest(v.deadline, clock_timestamp() + (v.deadline - v.started_at)), version = v.version + 1,
            updated_at = clock_timestamp()
        where v.tenant_id = o.tenant_id and v.id = o.id;
        perform pg_notify('bccd_courier', '');
    else
        update vendor_operations v set reason = body ->> 'reason' where v.tenant_id = o.tenant_id and v.id = o.id;
        perform vendor_abandon(o);
    end if;
    return query select vendor_operation_document(v, 'operator'), v.version
                 from vendor_operations v where v.tenant_id = o.tenant_id and v.id = of_operation;
end
$$;

create function vendor_abandon(o vendor_operations) returns void
    language plpgsql
as $$
begin
    perform vendor_end(o, 'abandoned');
    if o.kind = 'change' then
        perform touch_resource(o.tenant_id, o.resource_id);
        return;
    end if;
    perform vendor_instance_end(o, 'abandoned');
    if o.kind = 'terminate' then
        perform vendor_do(o, 'terminate', '{}');
    else
        perform vendor_do(o, 'fail', jsonb_build_object('code', 'abandoned', 'detail', o.problem_detail, 'retryable', true));
    end if;
end
$$;

-- An operation acts on its resource for whoever asked for it.
grant insert, update, delete on plan_assignments, resource_quantities to bccd_jobs;
grant update on software_seats, broadband_lines to bccd_jobs;
