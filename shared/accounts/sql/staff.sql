-- name: by_username
-- For a sign-in: whatever the case in which it was typed.
select id, username, display_name, role, active, password_hash, email, temporary_password_hash, temporary_password_expires_at,
    email_unconfirmed_since, reported_at, last_sign_in_at, version, created_at, updated_at, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'staff' and b.person_id = u.id
    ) as locked_until
from accounts.staff_users u where lower(username) = lower($1);

-- name: by_id
-- A staff user for pages and events.
select id, username, display_name, role, active, password_hash, email, temporary_password_hash, temporary_password_expires_at,
    email_unconfirmed_since, reported_at, last_sign_in_at, version, created_at, updated_at, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'staff' and b.person_id = u.id
    ) as locked_until
from accounts.staff_users u where id = $1;

-- name: lock
-- A staff user whom nobody else changes until this transaction ends.
select id, username, display_name, role, active, password_hash, email, temporary_password_hash, temporary_password_expires_at,
    email_unconfirmed_since, reported_at, last_sign_in_at, version, created_at, updated_at, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'staff' and b.person_id = u.id
    ) as locked_until
from accounts.staff_users u where id = $1 for update of u;

-- name: page
-- An agency's staff by username, which never changes; those after one of them, active or not or both.
select id, username, display_name, role, active, password_hash, email, temporary_password_hash, temporary_password_expires_at,
    email_unconfirmed_since, reported_at, last_sign_in_at, version, created_at, updated_at, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'staff' and b.person_id = u.id
    ) as locked_until
from accounts.staff_users u
where ($1::text is null or lower(username) > lower($1)) and ($2::boolean is null or active = $2)
order by lower(username) limit $3;

-- name: lock_admins
-- Whoever takes an admin away holds all of them, in one order: of two who do so at once, the second sees what the first did.
select id from accounts.staff_users where role = 'agency_admin' and active order by id for update;

-- name: insert
-- A new staff user; nothing when the username is taken in whatever case.
insert into accounts.staff_users (id, agency_id, username, display_name, role, active, password_hash, email,
    temporary_password_hash, temporary_password_expires_at, created_at, updated_at)
values ($1, $2, $3, $4, $5, true, $6, $7, $8, $9, $10, $10) on conflict (agency_id, lower(username)) do nothing returning id;

-- name: update
-- What an agency admin may change.
update accounts.staff_users set display_name = $2, email = $3, role = $4, active = $5, password_hash = $6,
    temporary_password_hash = $7, temporary_password_expires_at = $8, reported_at = $9,
    version = version + 1, updated_at = $10,
    email_unconfirmed_since = case when email is not distinct from $3 then email_unconfirmed_since else $10 end
where id = $1 returning version;

-- name: set_password
-- A password of their own; a temporary one is dead from now on.
update accounts.staff_users set password_hash = $2, temporary_password_hash = null, temporary_password_expires_at = null,
    updated_at = $3
where id = $1;

-- name: set_email
-- The address of somebody who has none yet.
update accounts.staff_users set email = $2 where id = $1 and email is null;

-- name: renew_hash
-- The same password at another cost, unless it was changed meanwhile.
update accounts.staff_users set password_hash = $3 where id = $1 and password_hash = $2;

-- name: signed_in
-- They got in: whatever address an admin has put in is theirs.
update accounts.staff_users set last_sign_in_at = $2, email_unconfirmed_since = null where id = $1;

-- name: report
-- Nobody gets in any more.
update accounts.staff_users set reported_at = $2, updated_at = $2 where id = $1;
