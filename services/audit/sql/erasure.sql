-- name: concerned
-- A client's events, and which of them still have their personal details. Not all of them are in an index by client, so
-- this may read all of the agency's events once. The records of erasures themselves are never erased.
select id, event is not null or body is not null as readable from audit.events
where agency_id = $1 and (client_id = $2 or portal_login_id = any($3::uuid[])) and type <> 'audit_log.erased'
order by id;

-- name: erase
-- A batch of them.
select audit.erase($1, $2, $3::uuid[], $4::uuid[]);

-- name: dead_letters
-- Dead letters that name the client or a login, and still hold their text: how many wait, how many are done.
select count(*) filter (where d.replayed_at is null and d.discarded_at is null) as waiting,
    count(*) filter (where d.replayed_at is not null or d.discarded_at is not null) as done
from audit.dead_letters d
where d.body <> '' and exists (
    select from unnest($2::uuid[] || $1::uuid) as known (id) where strpos(lower(d.body), known.id::text) > 0
);

-- name: erase_dead_letters
-- Those that are done.
select audit.erase_dead_letters($1, $2::uuid[]);

-- name: partitions_of
-- Where these events lie.
select distinct tableoid::regclass::text as name from audit.events where id = any($1::uuid[]) order by 1;
