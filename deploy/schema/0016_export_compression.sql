-- Pieces of exports are text that repeats itself: lz4 leaves a tenth of it to write and to keep, at less
-- than writing the rest would cost. A server that was built without lz4 keeps them as they are, since
-- its own compression costs more than it saves.
set local role bccd_owner;

do $$
begin
    if 'lz4' = any ((select enumvals from pg_settings where name = 'default_toast_compression')::text[]) then
        alter table export_chunks alter column bytes set storage extended;
        alter table export_chunks alter column bytes set compression lz4;
    end if;
end
$$;
