-- name: of_person
-- Somebody's passkeys, in the order in which they were added.
select id, person_id, credential_id, public_key, sign_count, transports, name, backup_eligible, backed_up, created_at, last_used_at
from accounts.passkeys where kind = $1 and person_id = $2 order by id;

-- name: by_credential
-- The passkey that is presented, to learn whose it is.
select id, person_id, credential_id, public_key, sign_count, transports, name, backup_eligible, backed_up, created_at, last_used_at
from accounts.passkeys where kind = $1 and credential_id = $2;

-- name: lock_by_credential
-- The same for a sign-in: two with one passkey at once take turns, so that the counter counts.
select id, person_id, credential_id, public_key, sign_count, transports, name, backup_eligible, backed_up, created_at, last_used_at
from accounts.passkeys where kind = $1 and credential_id = $2 for update;

-- name: by_id
-- One of somebody's own passkeys, held until the transaction ends.
select id, person_id, credential_id, public_key, sign_count, transports, name, backup_eligible, backed_up, created_at, last_used_at
from accounts.passkeys where kind = $1 and person_id = $2 and id = $3 for update;

-- name: insert
-- A new passkey; nothing when its credential is there already, wherever that may be.
insert into accounts.passkeys (id, agency_id, kind, person_id, credential_id, public_key, sign_count, transports, name,
    backup_eligible, backed_up, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (credential_id) do nothing returning id;

-- name: used
-- It has signed its owner in.
update accounts.passkeys set sign_count = $2, backed_up = $3, last_used_at = $4 where id = $1;

-- name: rename
-- Its owner calls it something else.
update accounts.passkeys set name = $2 where id = $1;

-- name: remove
-- It opens nothing any more.
delete from accounts.passkeys where id = $1;

-- name: remove_all
-- None of somebody's passkeys opens anything any more; answers their names.
delete from accounts.passkeys where kind = $1 and person_id = $2 returning id, name;

-- name: insert_challenge
-- Something to sign; only the digest of its handle is kept.
insert into accounts.passkey_challenges (digest, agency_id, kind, purpose, challenge, person_id, session_id, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: use_challenge
-- The challenge behind a handle, once.
update accounts.passkey_challenges set used_at = $4
where digest = $1 and kind = $2 and purpose = $3 and used_at is null and expires_at > $4
returning challenge, person_id, session_id;

-- name: void_challenges
-- Whatever somebody began to add can no longer be added.
update accounts.passkey_challenges set used_at = $3 where kind = $1 and person_id = $2 and used_at is null;

-- name: forget_challenges
-- Those that are over, of all agencies.
delete from accounts.passkey_challenges where expires_at <= $1;
