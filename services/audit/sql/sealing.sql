-- name: take_turns
-- One replica seals at a time. Until the transaction is over, no seal is in the export and not yet here.
select pg_advisory_xact_lock(hashtext('audit.sealing'));

-- name: no_sealing_now
-- Any number of readers, and nobody who seals.
select pg_advisory_xact_lock_shared(hashtext('audit.sealing'));

-- name: unsealed
-- Chains whose end moved since it was signed, and those that begin with events of the time before there were chains.
-- One that has become shorter than what was signed is none: signing it would only make it look better.
select agency_id, year, seq, link, unchained, previous_year, previous_seq, previous_link
from audit.chains where seq > sealed_seq or (seq = sealed_seq and unsealed_since is not null)
order by agency_id, year limit $1;

-- name: unsealed_seconds
-- For how long the end that waits longest has waited to be signed, by this server's clock.
select coalesce(extract(epoch from now() - min(unsealed_since)), 0)::float8
from audit.chains where seq > sealed_seq or (seq = sealed_seq and unsealed_since is not null);

-- name: insert_seals
-- Seals that were exported; one that is here already stays as it is.
insert into audit.seals (agency_id, year, seq, link, unchained, previous_year, previous_seq, previous_link, sealed_at,
    kid, signature)
select * from unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::smallint[], $7::bigint[],
    $8::bytea[], $9::timestamptz[], $10::text[], $11::bytea[])
on conflict do nothing;

-- name: lock_chains
-- In the order in which consumers lock them, so that nobody waits in a circle.
select from audit.chains c join unnest($1::uuid[], $2::smallint[]) as w (agency_id, year) using (agency_id, year)
order by c.agency_id, c.year for update of c;

-- name: mark_sealed
-- These ends are signed; a chain that went on meanwhile waits from now on.
update audit.chains c set sealed_seq = w.seq, unsealed_since = case when c.seq > w.seq then now() end
from unnest($1::uuid[], $2::smallint[], $3::bigint[]) as w (agency_id, year, seq)
where c.agency_id = w.agency_id and c.year = w.year and c.sealed_seq <= w.seq;

-- name: held_seals
-- Which of these seals are here.
select s.agency_id, s.year, s.seq
from audit.seals s join unnest($1::uuid[], $2::smallint[], $3::bigint[]) as w (agency_id, year, seq)
    using (agency_id, year, seq);

-- name: newest_seals
-- The newest seal of each chain, and how far the chain has gone.
select c.agency_id, c.year, c.seq as events, s.seq, s.sealed_at, s.kid from audit.chains c
left join lateral (
    select s.seq, s.sealed_at, s.kid from audit.seals s
    where s.agency_id = c.agency_id and s.year = c.year order by s.seq desc limit 1
) s on true
where $1::uuid is null or c.agency_id = $1 order by c.agency_id, c.year;
