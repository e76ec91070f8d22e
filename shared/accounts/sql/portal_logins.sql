-- name: of_client
-- A client's portal logins in the order in which they were added.
select id, client_id, username, email, representative, active, password_hash, temporary_password_hash,
    temporary_password_expires_at, credential_due, version, created_at, updated_at, email_unconfirmed_since, reported_at, language, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'portal' and b.person_id = l.id
    ) as locked_until
from accounts.portal_logins l where client_id = $1 order by id;

-- name: by_id
-- One portal login.
select id, client_id, username, email, representative, active, password_hash, temporary_password_hash,
    temporary_password_expires_at, credential_due, version, created_at, updated_at, email_unconfirmed_since, reported_at, language, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'portal' and b.person_id = l.id
    ) as locked_until
from accounts.portal_logins l where id = $1;

-- name: lock
-- One portal login that nobody else changes until this transaction ends.
select id, client_id, username, email, representative, active, password_hash, temporary_password_hash,
    temporary_password_expires_at, credential_due, version, created_at, updated_at, email_unconfirmed_since, reported_at, language, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'portal' and b.person_id = l.id
    ) as locked_until
from accounts.portal_logins l where id = $1 for update of l;

-- name: by_username
-- For a sign-in: whatever the case in which it was typed.
select id, client_id, username, email, representative, active, password_hash, temporary_password_hash,
    temporary_password_expires_at, credential_due, version, created_at, updated_at, email_unconfirmed_since, reported_at, language, (
        select max(b.locked_until) from accounts.sign_in_budgets b where b.kind = 'portal' and b.person_id = l.id
    ) as locked_until
from accounts.portal_logins l where lower(username) = lower($1);

-- name: active_by_email
-- For somebody who has forgotten the username: whatever the case in which the address was typed.
select id, client_id, username, email, representative, active, password_hash, temporary_password_hash,
    temporary_password_expires_at, credential_due, version, created_at, updated_at, email_unconfirmed_since, reported_at, language,
    null::timestamptz as locked_until
from accounts.portal_logins where lower(email) = lower($1) and active order by id limit $2;

-- name: insert
-- A new portal login; nothing when the username is taken in whatever case.
insert into accounts.portal_logins (id, agency_id, client_id, username, email, representative, active,
    temporary_password_hash, temporary_password_expires_at, credential_due, created_at, updated_at, language)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)
on conflict (agency_id, lower(username)) do nothing returning id;

-- name: update
-- What staff may change.
update accounts.portal_logins set email = $2, representative = $3, active = $4, password_hash = $5,
    temporary_password_hash = $6, temporary_password_expires_at = $7, credential_due = $8,
    version = version + 1, updated_at = $9,
    email_unconfirmed_since = case when email = $2 then email_unconfirmed_since else $9 end, reported_at = $10,
    language = $11
where id = $1 returning version;

-- name: renew_hash
-- The same password at another cost, unless it was changed meanwhile.
update accounts.portal_logins set password_hash = $3 where id = $1 and password_hash = $2;

-- name: set_own_password
-- The owner's own password; a temporary one is dead from now on.
update accounts.portal_logins set password_hash = $2, temporary_password_hash = null,
    temporary_password_expires_at = null, credential_due = false, updated_at = $3
where id = $1;

-- name: confirm_email
-- The owner got in, or said so with a code: whatever address staff have put in is theirs.
update accounts.portal_logins set email_unconfirmed_since = null where id = $1 and email_unconfirmed_since is not null;

-- name: report
-- Nobody gets in any more.
update accounts.portal_logins set reported_at = $2, updated_at = $2 where id = $1;
