-- Retention by whole years, and erasure of personal details. Neither function has a grant: both are for the owner alone.

-- Drops the partition of a year whose time is over for everybody who has events in it. The chains keep where they ended,
-- so that what is left of them can still be verified, and a late event of the year still continues them.
-- For each of the agencies that have events in it: by whom, the number of its last event (null where there is no chain),
-- and how many were counted.
-- Answers false, with nothing done, when events came in since they were counted.
create function audit.retire(
    retired integer, moment timestamptz, agencies uuid[], actors text[], ends bigint[], counts bigint[]
) returns boolean
    language plpgsql security definer set search_path = pg_catalog, audit as $$
declare
    name text := format('events_%s', retired);
    -- A clock that runs ahead, here or where the command runs, takes nothing before its time.
    this_year integer := extract(year from least(moment, now()) at time zone 'UTC');
begin
    perform pg_advisory_xact_lock(hashtext('audit.retention'));
    perform from audit.chains c where c.year = retired order by c.agency_id for update;
    if retired + 6 >= this_year or exists (
        select from audit.retention r where r.agency_id = any(agencies) and retired + r.years >= this_year
    ) then
        raise exception 'the time of the events of % is not over', retired;
    end if;
    if exists (
        select from (
            select c.agency_id, c.seq from audit.chains c
            where c.year = retired and (c.seq > c.retired_seq or c.unchained > 0)
        ) c full join unnest(agencies, ends) as w (agency_id, seq) using (agency_id)
        where c.seq is distinct from w.seq
    ) then
        return false;
    end if;
    insert into audit.retired (agency_id, year, events, retired_at, retired_by)
    select w.agency_id, retired, w.events, moment, w.actor
    from unnest(agencies, counts, actors) as w (agency_id, events, actor);
    update audit.chains c set retired_seq = c.seq, retired_link = c.link, unchained = 0
    where c.year = retired and c.agency_id = any(agencies);
    -- Last, since from here to the end of the transaction nobody reads or writes an event. CONCURRENTLY is not to be had
    -- beside a default partition.
    execute format('alter table audit.events detach partition audit.%I', name);
    execute format('drop table audit.%I', name);
    return true;
end
$$;

-- Takes the personal details out of a client's events: nothing but these columns can be changed by it. What the chain is
-- made of stays the same, since the digest is what the leaf has been made of all along.
create function audit.erase(agency uuid, client uuid, logins uuid[], ids uuid[]) returns integer
    language plpgsql security definer set search_path = pg_catalog, audit as $$
declare
    erased integer;
begin
    update audit.events e set
        erased_digest = sha256(e.salt || convert_to(e.actor_name, 'UTF8') || '\x00' || convert_to(e.event, 'UTF8')),
        event = null, salt = null, actor_name = null, body = null
    where e.id = any(ids) and e.agency_id = agency and (e.client_id = client or e.portal_login_id = any(logins))
        and (e.event is not null or e.body is not null)
        -- What was erased, when and why stays on record.
        and e.type <> 'audit_log.erased';
    get diagnostics erased = row_count;
    return erased;
end
$$;

-- Takes the text out of a client's dead letters that were replayed or discarded. They are known by the ids that they name.
create function audit.erase_dead_letters(client uuid, logins uuid[]) returns integer
    language plpgsql security definer set search_path = pg_catalog, audit as $$
declare
    erased integer;
begin
    update audit.dead_letters d set body = ''
    where (d.replayed_at is not null or d.discarded_at is not null) and d.body <> ''
        and exists (select from unnest(logins || client) as known (id) where strpos(lower(d.body), known.id::text) > 0);
    get diagnostics erased = row_count;
    return erased;
end
$$;

revoke all on function audit.retire(integer, timestamptz, uuid[], text[], bigint[], bigint[]),
    audit.erase(uuid, uuid, uuid[], uuid[]), audit.erase_dead_letters(uuid, uuid[]) from public;
