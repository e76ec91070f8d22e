-- name: next_rows
-- The same rows in the order of their key: what has to be fetched to hash them at all.
select id, event, salt, link from audit.events where id > $1 order by id limit $2;
