-- name: append
-- A batch of any agencies' events, each at the end of its chain; those that are there already stay as they are.
select audit.append($1::uuid[], $2::smallint[], $3::audit.new_event[]);

-- name: insert_dead_letter
-- What could not be stored, with its reason. One letter for an event, however often it is delivered or sent: none when
-- the event is stored by now, or when somebody has decided about it.
insert into audit.dead_letters (stream_id, event_id, body, reason, received_at)
select $1, $2::uuid, $3, $4, $5
where $2 is null or not exists (select from audit.held(array[$2]))
on conflict do nothing;

-- name: dead_letters
-- Those that nobody decided about, or all of them, oldest first.
select id, stream_id, event_id, body, reason, received_at, replayed_at, discarded_at, decided_by, decision_reason,
    exists (select from audit.stored(array[event_id])) as stored
from audit.dead_letters
where ($1 or (replayed_at is null and discarded_at is null)) and id > $2 order by id limit $3;

-- name: dead_letter
-- One of them.
select id, stream_id, event_id, body, reason, received_at, replayed_at, discarded_at, decided_by, decision_reason,
    exists (select from audit.stored(array[event_id])) as stored
from audit.dead_letters where id = $1;

-- name: open_dead_letters
-- The ids of all that nobody decided about, oldest first, for whoever decides about all of them.
select id from audit.dead_letters where replayed_at is null and discarded_at is null order by id;

-- name: mark_replayed
-- It is stored after all; answers what to store, and whether that has happened already.
update audit.dead_letters set replayed_at = $2, decided_by = $3, decision_reason = $4
where id = $1 and replayed_at is null and discarded_at is null
returning body, event_id, exists (select from audit.stored(array[event_id])) as stored;

-- name: mark_discarded
-- Somebody decided that it is not needed; answers what it holds.
update audit.dead_letters set discarded_at = $2, decided_by = $3, decision_reason = $4
where id = $1 and replayed_at is null and discarded_at is null returning body, event_id;

-- name: held
-- Which of these ids need not be sent again.
select held from audit.held($1::uuid[]) as held;

-- name: ensure_partition
-- The year's partition is there.
select audit.ensure_partition($1);
