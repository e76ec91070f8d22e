-- name: policies
-- What agencies chose themselves; the others keep six years.
select agency_id, years, set_at, set_by from audit.retention order by agency_id;

-- name: lock_policies
-- No year goes while a policy changes, and the other way round.
select pg_advisory_xact_lock(hashtext('audit.retention'));

-- name: policy
-- How many years an agency keeps.
select coalesce((select years from audit.retention where agency_id = $1), $2);

-- name: set_policy
-- An agency's choice.
insert into audit.retention (agency_id, years, set_at, set_by) values ($1, $2, $3, $4)
on conflict (agency_id) do update set years = excluded.years, set_at = excluded.set_at, set_by = excluded.set_by;

-- name: partitions
-- The years that have a partition, with PostgreSQL's estimate of their rows (below zero: none yet), and their bytes.
select substr(c.relname, 8)::integer as year, c.reltuples::bigint as rows, pg_total_relation_size(c.oid) as bytes
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'audit.events'::regclass and c.relname ~ '^events_\d{4}$' order by 1;

-- name: keepers
-- Who has events in which year, by their chains, and for how many years they keep them.
select c.year, c.agency_id, coalesce(r.years, $1) as years
from audit.chains c left join audit.retention r using (agency_id)
where c.seq > c.retired_seq or c.unchained > 0 order by c.year, c.agency_id;

-- name: without_partition
-- The years of the events that lie in no partition of their own.
select extract(year from to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)
    at time zone 'UTC')::integer as year, count(*) as rows
from audit.events_other group by 1 order by 1;

-- name: shares
-- What each agency has in a year: the rows themselves, and what there have to be by its chain. The range is the
-- partition's, so no other one is read.
select agency_id, coalesce(r.rows, 0) as rows, coalesce(c.seq - c.retired_seq + c.unchained, 0) as expected, c.seq,
    coalesce(p.years, $2) as years
from (
    select e.agency_id, count(*) as rows from audit.events e
    where e.id >= audit.lowest_id(make_timestamptz($1::integer, 1, 1, 0, 0, 0, 'UTC'))
        and e.id < audit.lowest_id(make_timestamptz($1::integer + 1, 1, 1, 0, 0, 0, 'UTC'))
    group by 1
) r full join (
    select agency_id, seq, retired_seq, unchained from audit.chains
    where year = $1 and (seq > retired_seq or unchained > 0)
) c using (agency_id) left join audit.retention p using (agency_id)
order by agency_id;

-- name: retire
-- The year goes; false when it has changed since it was counted.
select audit.retire($1, $2, $3::uuid[], $4::text[], $5::bigint[], $6::bigint[]);

-- name: short_wait
-- Whoever waits for the table holds up all who come after: better to let go and try again.
select set_config('lock_timeout', $1, true);

-- name: make_partition
-- The year gets a partition of its own, and takes over what lies elsewhere.
select audit.ensure_partition($1);
