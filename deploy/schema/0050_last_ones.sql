-- Who takes the last ones side by side. A row that was passed by because another one had just taken it stayed locked, and
-- two that found nothing could wait for what the other had passed by. What finds nothing lets go of its locks first.
set local role bccd_owner;

create or replace function next_address(of_pool text) returns inet
    language plpgsql
as $$
declare
    chosen inet;
begin
    begin
        select d.address into chosen from addresses d
        where d.pool_id = of_pool and d.state = 'free'
        order by d.address limit 1 for update skip locked;
        if chosen is null then
            select d.address into chosen from addresses d
            where d.pool_id = of_pool and d.state = 'quarantined' and d.quarantined_until <= clock_timestamp()
            order by d.quarantined_until, d.address limit 1 for update skip locked;
        end if;
        if chosen is null then
            raise exception using errcode = 'BC100';
        end if;
        return chosen;
    exception
        when sqlstate 'BC100' then null; -- the locks are gone
    end;
    -- In one order, whoever waits.
    select d.address into chosen from addresses d
    where d.pool_id = of_pool
      and (d.state = 'free' or d.state = 'quarantined' and d.quarantined_until <= clock_timestamp())
    order by d.address limit 1 for update;
    return chosen;
end
$$;

create or replace function terminal_of_stock(of_model text) returns text
    language plpgsql
as $$
declare
    chosen text;
begin
    while exists (select from terminals t where t.model = of_model and t.state = 'in_stock') loop
        begin
            select t.id into chosen from terminals t
            where t.model = of_model and t.state = 'in_stock'
            order by t.purchased_on, t.id limit 1 for no key update skip locked;
            if chosen is null then
                raise exception using errcode = 'BC100';
            end if;
            return chosen;
        exception
            when sqlstate 'BC100' then null;
        end;
        begin
            select t.id into chosen from terminals t
            where t.model = of_model and t.state = 'in_stock'
            order by t.id limit 1 for no key update;
            if chosen is null then
                raise exception using errcode = 'BC100';
            end if;
            return chosen;
        exception
            when sqlstate 'BC100' then null;
        end;
    end loop;
    return null;
end
$$;
