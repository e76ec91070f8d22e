-- name: append
-- A batch of any agencies' events, each at the end of its chain; those that are there already stay as they are.
select audit.append($1::uuid[], $2::smallint[], $3::integer[], $4::uuid[], $5::text[], $6::smallint[], $7::timestamptz[],
    $8::text[], $9::text[], $10::uuid[], $11::uuid[], $12::uuid[], $13::boolean[], $14::text[], $15::text[], $16::bytea[],
    $17::bytea[], $18::boolean);

-- name: insert_dead_letter
-- What could not be stored, with its reason; once, however often it is delivered.
insert into audit.dead_letters (stream_id, event_id, body, reason, received_at)
select $1, $2::uuid, $3, $4, $5
where not exists (select from audit.dead_letters where event_id = $2 and replayed_at is null and discarded_at is null)
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
