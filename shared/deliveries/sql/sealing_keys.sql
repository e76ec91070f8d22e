-- name: publish
-- The notifier says what it can open.
insert into accounts.sealing_keys (name, public_key, created_at) values ($1, $2, $3) on conflict do nothing;

-- name: newest
-- What to seal for: the newest that every notifier has read by now.
select public_key from accounts.sealing_keys where withdrawn_at is null and created_at <= $1
order by created_at desc, name limit 1;
