-- name: methods
-- What a person can show besides the password.
select exists (select from accounts.totp_authenticators where kind = $1 and person_id = $2 and confirmed_at is not null) as totp,
    exists (select from accounts.recovery_codes where kind = $1 and person_id = $2 and used_at is null) as recovery_code;

-- name: has_passkey
-- Whether a person has a passkey.
select exists (select from accounts.passkeys where kind = $1 and person_id = $2);

-- name: overview
-- What a person has set up, for the page about it.
select (select confirmed_at from accounts.totp_authenticators where kind = $1 and person_id = $2) as totp_since,
    (select count(*) from accounts.recovery_codes where kind = $1 and person_id = $2 and used_at is null) as codes_left;

-- name: of_client
-- Which of a client's portal logins have an app or a passkey.
select l.id from accounts.portal_logins l where l.client_id = $1 and (
    exists (select from accounts.totp_authenticators t where t.kind = 'portal' and t.person_id = l.id and t.confirmed_at is not null)
    or exists (select from accounts.passkeys p where p.kind = 'portal' and p.person_id = l.id)
);

-- name: lock_totp
-- A person's app; two codes at once take turns.
select sealed_seed, confirmed_at, last_step, wrong_codes, pending_seed, pending_since, pending_for
from accounts.totp_authenticators where kind = $1 and person_id = $2 for update;

-- name: begin
-- Somebody begins to set up an app; what was begun before is no good any more.
insert into accounts.totp_authenticators (agency_id, kind, person_id, pending_seed, pending_since, pending_for)
values ($1, $2, $3, $4, $5, $6)
on conflict (kind, person_id) do update set pending_seed = excluded.pending_seed,
    pending_since = excluded.pending_since, pending_for = excluded.pending_for;

-- name: confirm
-- A code has shown that the new app works: it takes the place of the one before.
update accounts.totp_authenticators set sealed_seed = pending_seed, confirmed_at = $3, last_step = $4, wrong_codes = 0,
    pending_seed = null, pending_since = null, pending_for = null
where kind = $1 and person_id = $2;

-- name: use_step
-- A right code: this step's is used, and wrong ones before it no longer count. The seed may be in a newer box.
update accounts.totp_authenticators set last_step = $3, wrong_codes = 0, sealed_seed = $4 where kind = $1 and person_id = $2;

-- name: count_wrong
-- A wrong code.
update accounts.totp_authenticators set wrong_codes = least(wrong_codes + 1, 30000) where kind = $1 and person_id = $2;

-- name: remove_totp
-- The app is no longer asked for.
delete from accounts.totp_authenticators where kind = $1 and person_id = $2;

-- name: remove_codes
-- None of a person's recovery codes is good any more.
delete from accounts.recovery_codes where kind = $1 and person_id = $2;

-- name: insert_code
-- A recovery code; only its digest is kept.
insert into accounts.recovery_codes (digest, agency_id, kind, person_id, created_at) values ($1, $2, $3, $4, $5);

-- name: use_code
-- A recovery code is used, once.
update accounts.recovery_codes set used_at = $4
where digest = $1 and kind = $2 and person_id = $3 and used_at is null returning digest;

-- name: insert_half
-- A password was right, and the second factor is to come.
insert into accounts.half_sign_ins (digest, agency_id, kind, person_id, issued_at, expires_at) values ($1, $2, $3, $4, $5, $6);

-- name: half
-- Whose sign-in it is, while it is good.
select person_id, expires_at, wrong_codes from accounts.half_sign_ins
where digest = $1 and kind = $2 and ended_at is null and expires_at > $3;

-- name: lock_half
-- The same, held until the transaction ends.
select person_id, expires_at, wrong_codes from accounts.half_sign_ins
where digest = $1 and kind = $2 and ended_at is null and expires_at > $3 for update;

-- name: count_half
-- A wrong code; the last one that is allowed ends it.
update accounts.half_sign_ins set wrong_codes = wrong_codes + 1,
    ended_at = case when wrong_codes + 1 >= $3::int then $2::timestamptz end
where digest = $1 returning ended_at is not null;

-- name: end_half
-- It has become a session.
update accounts.half_sign_ins set ended_at = $2 where digest = $1;

-- name: end_halves
-- What was begun with a password that may not be good any more.
update accounts.half_sign_ins set ended_at = $3 where kind = $1 and person_id = $2 and ended_at is null;

-- name: remembered
-- Whether this browser is one that the person had remembered; it counts as used.
update accounts.remembered_devices set last_used_at = $4
where digest = $3 and kind = $1 and person_id = $2 and expires_at > $4 returning id;

-- name: devices
-- The browsers that a person had remembered, the latest used first.
select id, user_agent, created_at, last_used_at, expires_at, digest is not distinct from $4 as current
from accounts.remembered_devices where kind = $1 and person_id = $2 and expires_at > $3
order by last_used_at desc, id desc;

-- name: remember
-- From now on this browser is remembered.
insert into accounts.remembered_devices (id, agency_id, kind, person_id, digest, user_agent, created_at, last_used_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $7, $8);

-- name: forget
-- One browser, or all of them, and those that are out of date in any case.
delete from accounts.remembered_devices
where kind = $1 and person_id = $2 and ($3::uuid is null or id = $3 or expires_at <= $4) returning id = $3 as asked;

-- name: forget_digest
-- The browser at hand, before it is remembered anew.
delete from accounts.remembered_devices where kind = $1 and person_id = $2 and digest = $3;

-- name: forgive
-- A recovery code was right: wrong codes before it no longer count.
update accounts.totp_authenticators set wrong_codes = 0 where kind = $1 and person_id = $2;
