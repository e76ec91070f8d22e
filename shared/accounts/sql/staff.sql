-- name: by_username
-- For a sign-in: whatever the case in which it was typed.
select id, username, display_name, role, active, password_hash from accounts.staff_users where lower(username) = lower($1);

-- name: by_id
-- A staff user for pages and events.
select id, username, display_name, role, active, password_hash from accounts.staff_users where id = $1;

-- name: lock
-- A staff user whom nobody else changes until this transaction ends.
select id, username, display_name, role, active, password_hash from accounts.staff_users where id = $1 for update;

-- name: insert
-- A new staff user.
insert into accounts.staff_users (id, agency_id, username, display_name, role, active, password_hash, created_at)
values ($1, $2, $3, $4, $5, true, $6, $7) on conflict do nothing returning id;

-- name: set_password
-- A new password for a staff user.
update accounts.staff_users set password_hash = $2 where id = $1;

-- name: renew_hash
-- The same password at another cost, unless it was changed meanwhile.
update accounts.staff_users set password_hash = $3 where id = $1 and password_hash = $2;
