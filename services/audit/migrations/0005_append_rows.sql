-- Events are appended as rows of one type: less to take apart at both ends than a column of arrays each. And what is stored
-- already is looked for in one scan of the index, not once an event. Consumers of before go on calling the function that
-- takes arrays.

create type audit.new_event as (
    -- Which of the batch's chains it belongs to, from 1 on.
    chain integer,
    id uuid,
    type text,
    version smallint,
    occurred_at timestamptz,
    actor_key text,
    actor_name text,
    client_id uuid,
    case_id uuid,
    portal_login_id uuid,
    in_activity boolean,
    change_type text,
    event text,
    salt bytea,
    leaf bytea
);

-- The way in. Appends events to their chains; those that are stored already stay as they are. A chain's end stays locked
-- until the transaction is over, so any number of consumers keep one order.
-- chain_agencies, chain_years: the chains of the batch.
-- Answers how many events were new.
create function audit.append(chain_agencies uuid[], chain_years smallint[], events audit.new_event[]) returns integer
    language plpgsql security definer set search_path = pg_catalog, audit
    -- One plan for any batch: one made for the batch at hand would take longer than what it plans. It may have been made
    -- while there was nothing to scan, and serves for as long as the connection.
    set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
    ends bytea[];
    last bigint[];
    ids uuid[];
    chain_of integer[];
    leaves bytea[];
    known uuid[];
    seqs bigint[];
    links bytea[];
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

    select array_agg(e.id), array_agg(e.chain), array_agg(e.leaf) into ids, chain_of, leaves from unnest(events) e;
    -- A statement of its own, begun with the chains in hand: it sees what others have appended to them until now.
    known := array(select e.id from audit.events e where e.id = any (ids));

    seqs := array_fill(null::bigint, array[cardinality(ids)]);
    links := array_fill(null::bytea, array[cardinality(ids)]);
    for i in 1 .. cardinality(ids) loop
        if not ids[i] = any (known) then
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
    select e.id, chain_agencies[e.chain], e.type, e.version, e.occurred_at, e.actor_key, e.actor_name, e.client_id, e.case_id,
        e.portal_login_id, e.in_activity, e.change_type, e.event, e.salt, e.seq, e.link
    from unnest(events, seqs, links) as e (chain, id, type, version, occurred_at, actor_key, actor_name, client_id, case_id,
        portal_login_id, in_activity, change_type, event, salt, leaf, seq, link)
    where e.seq is not null;

    update audit.chains c set seq = w.seq, link = w.link, unsealed_since = coalesce(c.unsealed_since, now())
    from unnest(chain_agencies, chain_years, last, ends) as w (agency_id, year, seq, link)
    where c.agency_id = w.agency_id and c.year = w.year and c.seq <> w.seq;
    return appended;
end
$$;

revoke all on function audit.append(uuid[], smallint[], audit.new_event[]) from public;
grant execute on function audit.append(uuid[], smallint[], audit.new_event[]) to portico_audit;
