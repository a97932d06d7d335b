-- Exports: immutable sets of files for finance, kept in chunks; a directory is only a copy.
set local role bccd_owner;

create table exports (
    id text collate "C" primary key check (id like 'exp\_%'),
    format text collate "C" not null check (format in ('focus', 'journal', 'lines')),
    format_version integer not null check (format_version > 0),
    period text collate "C" not null,
    revision integer not null check (revision > 0),
    final boolean not null, -- of a closed period, which is made once a format version
    supersedes text collate "C" references exports,
    state text collate "C" not null default 'queued'
        check (state in ('queued', 'running', 'ready', 'failed')),
    operation_id text collate "C" not null,
    manifest json, -- files, bytes, rows, SHA-256, control totals; written last
    created_by text collate "C" not null,
    created_at timestamptz not null default now(),
    ready_at timestamptz,
    unique (format, period, revision),
    check ((state = 'ready') = (manifest is not null and ready_at is not null))
);
comment on table exports is 'domain: exports; sets of files for finance';
create unique index exports_final on exports (format, format_version, period) where final and state <> 'failed';
create index exports_supersedes on exports (supersedes);
create index exports_period on exports (period, id);

create table export_files (
    export_id text collate "C" not null references exports,
    name text collate "C" not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    content_type text not null,
    bytes bigint not null check (bytes >= 0),
    rows bigint not null check (rows >= 0),
    sha256 text collate "C" not null check (length(sha256) = 64),
    primary key (export_id, name)
);
comment on table export_files is 'domain: exports; the files of a set';

create table export_chunks (
    export_id text collate "C" not null references exports,
    name text collate "C" not null,
    number integer not null check (number >= 0),
    bytes bytea not null,
    primary key (export_id, name, number)
);
comment on table export_chunks is 'domain: exports; file contents in pieces of 256 KiB';
alter table export_chunks alter column bytes set storage external;

grant select, insert, update (state) on exports to bccd_operator;
grant select on export_files, export_chunks to bccd_operator;
grant select, update on exports to bccd_jobs;
grant select, insert, delete on export_files, export_chunks to bccd_jobs;
call protect_platform_table('exports');
call protect_platform_table('export_files');
call protect_platform_table('export_chunks');
-- Books of the whole platform are not for a park's manager.
create policy whole_platform on exports as restrictive to bccd_operator using (setting('park') is null);
create policy whole_platform on export_files as restrictive to bccd_operator using (setting('park') is null);
create policy whole_platform on export_chunks as restrictive to bccd_operator using (setting('park') is null);
call audit_table('exports');

create trigger immutable before update or delete on exports for each row
    when (old.state = 'ready') execute function refuse_change_of_final();

-- What is ready stays as it is, to the last byte.
create function refuse_change_of_ready_export() returns trigger
    language plpgsql
as $$
begin
    if exists (select from exports e
               where e.id in (new.export_id, old.export_id) and e.state = 'ready') then
        perform refuse('immutable', format('%s: an export that is ready never changes.', tg_table_name));
    end if;
    return coalesce(new, old);
end
$$;
create trigger immutable before insert or update or delete on export_files for each row
    execute function refuse_change_of_ready_export();
create trigger immutable before insert or update or delete on export_chunks for each row
    execute function refuse_change_of_ready_export();
