-- The audit store: events in partitions by the year of their id, and dead letters. It may live on a server of its own,
-- so it depends on no other schema.
create schema audit;

create function audit.current_agency() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('app.agency_id', true), '')::uuid;

-- The lowest UUIDv7 of a moment: partitions are ranges of ids, and so of time.
create function audit.lowest_id(moment timestamptz) returns uuid
    language sql immutable parallel safe
    return (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

create table audit.events (
    id uuid primary key,
    agency_id uuid not null,
    type text not null,
    version smallint not null,
    occurred_at timestamptz not null,
    -- kind:id, by which the change log is filtered.
    actor_key text not null,
    actor_name text not null,
    client_id uuid,
    case_id uuid,
    portal_login_id uuid,
    in_activity boolean not null,
    -- Null for events that are no change to a face sheet.
    change_type text,
    body jsonb not null,
    stored_at timestamptz not null default now()
) partition by range (id);
create index events_login_activity on audit.events (agency_id, portal_login_id, id desc) where in_activity;
create index events_client_activity on audit.events (agency_id, client_id, id desc) where in_activity;
create index events_client_changes on audit.events (agency_id, client_id, id desc) where change_type is not null;
create index events_changes_by_type on audit.events (agency_id, client_id, change_type, id desc) where change_type is not null;
create index events_changes_by_actor on audit.events (agency_id, client_id, actor_key, id desc) where change_type is not null;
create index events_changes on audit.events (agency_id, id desc) where change_type is not null;

-- Events of years that have no partition yet are accepted all the same.
create table audit.events_other partition of audit.events default;

create table audit.dead_letters (
    id bigint generated always as identity primary key,
    stream_id text not null unique,
    event_id uuid,
    body text not null,
    reason text not null,
    received_at timestamptz not null,
    replayed_at timestamptz,
    discarded_at timestamptz
);
create index dead_letters_event on audit.dead_letters (event_id) where event_id is not null;

alter table audit.events enable row level security;
alter table audit.events force row level security;
create policy one_agency on audit.events for select to portico_audit
    using (agency_id = (select audit.current_agency()));
-- A consumer stores a batch of all agencies' events. Nobody has a policy, or a right, to change or delete one.
create policy any_agency on audit.events for insert to portico_audit with check (true);
alter table audit.dead_letters enable row level security;
alter table audit.dead_letters force row level security;
create policy consumers on audit.dead_letters to portico_audit using (true) with check (true);
do $$
begin
    execute format('create policy operators on audit.events to %I using (true) with check (true)', current_user);
    execute format('create policy operators on audit.dead_letters to %I using (true) with check (true)', current_user);
end
$$;

-- The service makes partitions ahead of time but may not change the schema otherwise.
create function audit.ensure_partition(year integer) returns boolean
    language plpgsql security definer set search_path = pg_catalog, audit as $$
declare
    name text := format('events_%s', year);
    low uuid := audit.lowest_id(make_timestamptz(year, 1, 1, 0, 0, 0, 'UTC'));
    high uuid := audit.lowest_id(make_timestamptz(year + 1, 1, 1, 0, 0, 0, 'UTC'));
begin
    if year not between 1971 and 9000 then
        raise exception 'no such year: %', year;
    end if;
    perform pg_advisory_xact_lock(hashtext('audit.ensure_partition'));
    if to_regclass('audit.' || name) is not null then
        return false;
    end if;
    execute format('create table audit.%I (like audit.events including all)', name);
    execute format('with moved as (delete from audit.events_other where id >= %L and id < %L returning *)
                    insert into audit.%I select * from moved', low, high, name);
    execute format('alter table audit.events attach partition audit.%I for values from (%L) to (%L)', name, low, high);
    return true;
end
$$;

-- Which of these ids need not be sent again: stored, or kept as a dead letter.
create function audit.held(ids uuid[]) returns setof uuid
    language sql stable security definer set search_path = pg_catalog, audit as $$
    select e.id from audit.events e where e.id = any(ids)
    union
    select d.event_id from audit.dead_letters d where d.event_id = any(ids)
$$;

revoke all on function audit.ensure_partition(integer), audit.held(uuid[]) from public;
grant usage on schema audit to portico_audit;
grant execute on function audit.ensure_partition(integer), audit.held(uuid[]) to portico_audit;
grant select, insert on audit.events to portico_audit;
grant select, insert, update on audit.dead_letters to portico_audit;

do $$
declare
    this integer := extract(year from now());
begin
    perform audit.ensure_partition(this);
    perform audit.ensure_partition(this + 1);
end
$$;
