-- Tamper evidence, and indexes for every filter of the change log. Each agency's events of a year form a hash chain: the
-- link of an event is sha256(the link before it || its leaf), where the leaf is what services/audit/chain.py says.

-- Room for the chain. What was stored before has none of it, and stays readable from `body`.
alter table audit.events
    -- The event as it was published, letter by letter; null once its personal details were erased.
    add column event text,
    -- 16 random bytes that go into the digest of the personal details, and go with them.
    add column salt bytea,
    -- sha256(salt || actor's name || 0 || event): takes the place of what was erased, so that the chain stays valid.
    add column erased_digest bytea,
    -- The event's number in its chain, from 1 on.
    add column seq bigint,
    add column link bytea,
    alter column body drop not null,
    alter column actor_name drop not null;

-- By number, for whoever walks a chain.
create index events_chain on audit.events (agency_id, seq);
-- Both filters at once.
create index events_changes_by_type_and_actor on audit.events (agency_id, client_id, change_type, actor_key, id desc)
    where change_type is not null;
-- The same filters across clients. The query across clients says the same of the version, which is true of every event, and
-- the query of a client does not: for a client's rare events the planner would take these indexes to be as good as the
-- client's own (an actor belongs to one agency, and it multiplies both shares), and read those of all clients.
create index events_agency_changes_by_type on audit.events (agency_id, change_type, id desc)
    where change_type is not null and version >= 0;
create index events_agency_changes_by_actor on audit.events (agency_id, actor_key, id desc)
    where change_type is not null and version >= 0;
create index events_agency_changes_by_type_and_actor on audit.events (agency_id, change_type, actor_key, id desc)
    where change_type is not null and version >= 0;

-- One row a chain: where it ends. It begins at the hash of its name and of the end that the agency's latest chain had by
-- then, so a chain that disappears is missed by the next one.
create table audit.chains (
    agency_id uuid not null,
    year smallint not null,
    seq bigint not null default 0,
    link bytea not null,
    previous_year smallint,
    previous_seq bigint,
    previous_link bytea,
    -- Up to here its end was signed.
    sealed_seq bigint not null default 0,
    -- Since when its end waits to be signed; null when it does not.
    unsealed_since timestamptz default now(),
    -- Events of the time before there were chains.
    unchained bigint not null default 0,
    -- Up to here its events were retired, all together, when their time was over.
    retired_seq bigint not null default 0,
    retired_link bytea,
    primary key (agency_id, year)
) with (fillfactor = 50);

-- Signed ends of chains, each with all that its row in audit.chains says of where the chain began and what lies beside it.
-- The key is not in the database, and each seal is exported too, so neither can be made up here.
create table audit.seals (
    agency_id uuid not null,
    year smallint not null,
    seq bigint not null,
    link bytea not null,
    unchained bigint not null,
    previous_year smallint,
    previous_seq bigint,
    previous_link bytea,
    sealed_at timestamptz not null,
    kid text not null,
    signature bytea not null,
    primary key (agency_id, year, seq)
);

-- How many full years after its own a year's events are kept: six (45 CFR 164.316(b)(2)(i)) unless it says more.
create table audit.retention (
    agency_id uuid primary key,
    years smallint not null check (years between 6 and 100),
    set_at timestamptz not null,
    set_by text not null
);
create table audit.retired (
    agency_id uuid not null,
    year smallint not null,
    events bigint not null,
    retired_at timestamptz not null,
    retired_by text not null
);

insert into audit.chains (agency_id, year, link, unchained)
select agency_id, least(9999, extract(year from
        to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) at time zone 'UTC')),
    '', count(*)
from audit.events group by 1, 2;

create function audit.chain_start(agency uuid, year smallint, previous bytea) returns bytea
    language sql immutable parallel safe
    return sha256('portico chain'::bytea || uuid_send(agency) || int2send(year) || coalesce(previous, ''::bytea));

update audit.chains set link = audit.chain_start(agency_id, year, null);

-- The only way in. Appends events to their chains; those that are stored already stay as they are. A chain's end stays
-- locked until the transaction is over, so any number of consumers keep one order.
-- chain_agencies, chain_years: the chains of the batch; chain_of: for each event, which of them (from 1).
-- Answers how many events were new.
create function audit.append(
    chain_agencies uuid[], chain_years smallint[], chain_of integer[],
    ids uuid[], types text[], versions smallint[], moments timestamptz[], actor_keys text[], actor_names text[],
    client_ids uuid[], case_ids uuid[], portal_login_ids uuid[], activities boolean[], change_types text[], events text[],
    salts bytea[], leaves bytea[]
) returns integer
    language plpgsql security definer set search_path = pg_catalog, audit as $$
declare
    ends bytea[];
    last bigint[];
    seqs bigint[];
    links bytea[];
    known boolean[];
    chain integer;
    appended integer := 0;
begin
    insert into audit.chains (agency_id, year, link, previous_year, previous_seq, previous_link)
    select w.agency_id, w.year, audit.chain_start(w.agency_id, w.year, p.link), p.year, p.seq, p.link
    from unnest(chain_agencies, chain_years) as w (agency_id, year)
    left join lateral (
        select c.year, c.seq, c.link from audit.chains c
        where c.agency_id = w.agency_id and c.year < w.year order by c.year desc limit 1
    ) p on true
    where not exists (select from audit.chains c where c.agency_id = w.agency_id and c.year = w.year)
    order by w.agency_id, w.year
    on conflict do nothing;

    -- Always in the same order, so that nobody waits in a circle.
    select array_agg(c.seq order by c.number), array_agg(c.link order by c.number) into last, ends from (
        select c.seq, c.link, w.number
        from audit.chains c join unnest(chain_agencies, chain_years) with ordinality as w (agency_id, year, number)
            using (agency_id, year)
        order by c.agency_id, c.year for update of c
    ) c;

    -- A statement of its own, begun with the chains in hand: it sees what others have appended to them until now.
    select array_agg(exists (select from audit.events e where e.id = w.id) order by w.number) into known
    from unnest(ids) with ordinality as w (id, number);

    seqs := array_fill(null::bigint, array[cardinality(ids)]);
    links := array_fill(null::bytea, array[cardinality(ids)]);
    for i in 1 .. cardinality(ids) loop
        if not known[i] then
            chain := chain_of[i];
            ends[chain] := sha256(ends[chain] || leaves[i]);
            last[chain] := last[chain] + 1;
            links[i] := ends[chain];
            seqs[i] := last[chain];
            appended := appended + 1;
        end if;
    end loop;
    if appended = 0 then
        return 0;
    end if;

    insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, actor_name, client_id, case_id,
        portal_login_id, in_activity, change_type, event, salt, seq, link)
    select e.id, chain_agencies[e.chain], e.type, e.version, e.moment, e.actor_key, e.actor_name, e.client_id, e.case_id,
        e.portal_login_id, e.in_activity, e.change_type, e.event, e.salt, e.seq, e.link
    from unnest(chain_of, ids, types, versions, moments, actor_keys, actor_names, client_ids, case_ids, portal_login_ids,
        activities, change_types, events, salts, seqs, links)
        as e (chain, id, type, version, moment, actor_key, actor_name, client_id, case_id, portal_login_id,
            in_activity, change_type, event, salt, seq, link)
    where e.seq is not null;

    update audit.chains c set seq = w.seq, link = w.link, unsealed_since = coalesce(c.unsealed_since, now())
    from unnest(chain_agencies, chain_years, last, ends) as w (agency_id, year, seq, link)
    where c.agency_id = w.agency_id and c.year = w.year and c.seq <> w.seq;
    return appended;
end
$$;

alter table audit.chains enable row level security;
alter table audit.chains force row level security;
alter table audit.seals enable row level security;
alter table audit.seals force row level security;
alter table audit.retention enable row level security;
alter table audit.retention force row level security;
alter table audit.retired enable row level security;
alter table audit.retired force row level security;
-- Chains and seals hold digests and numbers; the service seals those of all agencies.
create policy sealing on audit.chains to portico_audit using (true) with check (true);
create policy sealing on audit.seals to portico_audit using (true) with check (true);
do $$
begin
    execute format('create policy operators on audit.chains to %I using (true) with check (true)', current_user);
    execute format('create policy operators on audit.seals to %I using (true) with check (true)', current_user);
    execute format('create policy operators on audit.retention to %I using (true) with check (true)', current_user);
    execute format('create policy operators on audit.retired to %I using (true) with check (true)', current_user);
end
$$;

revoke all on function audit.append(uuid[], smallint[], integer[], uuid[], text[], smallint[], timestamptz[], text[], text[],
    uuid[], uuid[], uuid[], boolean[], text[], text[], bytea[], bytea[]) from public;
grant execute on function audit.append(uuid[], smallint[], integer[], uuid[], text[], smallint[], timestamptz[], text[], text[],
    uuid[], uuid[], uuid[], boolean[], text[], text[], bytea[], bytea[]) to portico_audit;
grant select, update (sealed_seq, unsealed_since) on audit.chains to portico_audit;
grant select, insert on audit.seals to portico_audit;
-- Nobody puts an event beside the chains any more. A replica of the version before waits, and loses nothing by it.
revoke insert on audit.events from portico_audit;
drop policy any_agency on audit.events;
