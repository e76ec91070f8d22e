-- name: insert_events
-- A batch of any agencies' events; those that are there already stay as they are.
insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, actor_name, client_id, case_id,
    portal_login_id, in_activity, change_type, body)
select e.id, e.agency_id, e.type, e.version, e.occurred_at, e.actor_key, e.actor_name, e.client_id, e.case_id,
    e.portal_login_id, e.in_activity, e.change_type, e.body::jsonb
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::timestamptz[], $6::text[], $7::text[], $8::uuid[],
    $9::uuid[], $10::uuid[], $11::boolean[], $12::text[], $13::text[])
    as e (id, agency_id, type, version, occurred_at, actor_key, actor_name, client_id, case_id, portal_login_id,
          in_activity, change_type, body)
on conflict do nothing;

-- name: insert_dead_letter
-- What could not be stored, with its reason; once, however often it is delivered.
insert into audit.dead_letters (stream_id, event_id, body, reason, received_at) values ($1, $2, $3, $4, $5)
on conflict (stream_id) do nothing;

-- name: dead_letters
-- Those that still wait for somebody to decide, oldest first.
select id, stream_id, event_id, body, reason, received_at, replayed_at, discarded_at from audit.dead_letters
where ($1 or (replayed_at is null and discarded_at is null)) and id > $2 order by id limit $3;

-- name: dead_letter
-- One of them.
select id, stream_id, event_id, body, reason, received_at, replayed_at, discarded_at from audit.dead_letters where id = $1;

-- name: mark_replayed
-- It is stored after all; answers what to store.
update audit.dead_letters set replayed_at = $2 where id = $1 and replayed_at is null and discarded_at is null returning body;

-- name: mark_discarded
-- Somebody decided that it is not needed.
update audit.dead_letters set discarded_at = $2 where id = $1 and replayed_at is null and discarded_at is null returning id;

-- name: held
-- Which of these ids need not be sent again.
select held from audit.held($1::uuid[]) as held;

-- name: ensure_partition
-- The year's partition is there.
select audit.ensure_partition($1);
