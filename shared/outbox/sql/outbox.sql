-- name: take
-- Rows that were not published yet. By state, never by a last id: ids commit out of order. Another relay's are skipped.
select id, body from {table}
where published_at is null and kind = $1 order by created_at, id limit $2 for update skip locked;

-- name: mark_published
-- They are on their way. A delivery's row is its own confirmation: the notifier's sweep looks after it.
update {table} set published_at = $2::timestamptz, confirmed_at = case when kind = 'delivery' then $2::timestamptz end where id = any($1::uuid[]);

-- name: oldest_unpublished
-- For the figures: how long the oldest row has been waiting.
select min(created_at) from {table} where published_at is null;

-- name: unconfirmed
-- Events that were published a while ago and of which the audit store has not said that it holds them.
select id, published_at from {table} where published_at <= $1 and confirmed_at is null order by published_at limit $2;

-- name: confirm
-- The audit store holds them.
update {table} set confirmed_at = $2 where id = any($1::uuid[]) and confirmed_at is null;

-- name: send_again
-- The audit store does not hold them: the relay publishes them once more.
update {table} set published_at = null, confirmed_at = null where id = any($1::uuid[]);

-- name: confirmed_since
-- Confirmed events after an id, to be asked for again when an audit store came back from a backup.
select id from {table} where kind = 'event' and confirmed_at >= $1 and id > $2 order by id limit $3;

-- name: forget
-- What was confirmed long enough ago that no backup needs it any more.
delete from {table} where id in (select id from {table} where confirmed_at < $1 limit $2);

-- name: try_lock
-- One reconciler at a time for each outbox; gone with the transaction.
select pg_try_advisory_xact_lock(hashtext('portico reconcile {table}'));
