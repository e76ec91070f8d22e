-- name: dead_letters
-- Those that nobody decided about; an event that came in by another way needs no decision.
select count(*) filter (where not d.stored) as waiting, count(*) filter (where d.stored) as stored,
    extract(epoch from now() - min(d.received_at) filter (where not d.stored))::float8 as waiting_seconds
from (
    select received_at, exists (select from audit.stored(array[event_id])) as stored from audit.dead_letters
    where replayed_at is null and discarded_at is null order by id limit $1
) d;

-- name: newest
-- The latest event. One with an id of the future, of a machine whose clock was wrong, would hide all others.
select extract(epoch from now() - stored_at)::float8 as stored_seconds from audit.events
where id < audit.lowest_id(now() + interval '5 minutes') order by id desc limit 1;

-- name: partitions
-- Whether the years' partitions are there, this one's and the next one's.
select y as year, to_regclass(format('audit.events_%s', y)) is not null as there
from generate_series(
    extract(year from now() at time zone 'UTC')::integer, extract(year from now() at time zone 'UTC')::integer + 1
) as y order by y;

-- name: seals
-- Chains whose end waits to be sealed, and for how long; and the last seal of all, found from chain to chain since there
-- are many more seals than chains.
select count(*) filter (where c.waits) as waiting,
    extract(epoch from now() - min(c.unsealed_since) filter (where c.waits))::float8 as waiting_seconds,
    extract(epoch from now() - max(s.sealed_at))::float8 as last_seconds
from (
    select agency_id, year, unsealed_since, seq > sealed_seq or (seq = sealed_seq and unsealed_since is not null) as waits
    from audit.chains
) c
left join lateral (
    select sealed_at from audit.seals where agency_id = c.agency_id and year = c.year order by seq desc limit 1
) s on true;
