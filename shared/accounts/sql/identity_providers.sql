-- name: of_agency
-- Where the agency's staff sign in, if it is not only here.
select issuer, client_id, sealed_secret, name, claim, local_sign_in, connected_at, version from accounts.identity_providers;

-- name: lock
-- The same, which nobody else changes until this transaction ends.
select issuer, client_id, sealed_secret, name, claim, local_sign_in, connected_at, version from accounts.identity_providers
for update;

-- name: put
-- The provider as it is to be from now on.
insert into accounts.identity_providers
    (agency_id, issuer, client_id, sealed_secret, name, claim, local_sign_in, connected_at, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (agency_id) do update set issuer = excluded.issuer, client_id = excluded.client_id,
    sealed_secret = excluded.sealed_secret, name = excluded.name, claim = excluded.claim,
    local_sign_in = excluded.local_sign_in, connected_at = excluded.connected_at, version = excluded.version;

-- name: reseal
-- The same secret in a box of the first key, unless it was changed meanwhile.
update accounts.identity_providers set sealed_secret = $3 where agency_id = $1 and sealed_secret = $2;

-- name: remove
-- Staff sign in only here.
delete from accounts.identity_providers where agency_id = $1;

-- name: of_address
-- Who has an e-mail address, active people first.
select id, active from accounts.staff_users where lower(email) = lower($1) order by active desc, id limit 2;

-- name: linked
-- Whose sign-in at the provider it is.
select staff_user_id from accounts.staff_identities where issuer = $1 and subject = $2;

-- name: link
-- The first sign-in ties the two together; nothing when either is tied to somebody else.
insert into accounts.staff_identities (agency_id, issuer, subject, staff_user_id, linked_at)
values ($1, $2, $3, $4, $5) on conflict do nothing returning subject;

-- name: unlink
-- Whoever signs in at the provider under the staff user's name next is tied to the staff user.
delete from accounts.staff_identities where staff_user_id = $1 returning issuer;

-- name: begin
-- Somebody is on the way to the provider.
insert into accounts.single_sign_ons (state_digest, agency_id, browser_digest, next_path, started_at)
values ($1, $2, $3, $4, $5);

-- name: take
-- Somebody has come back: each state is good once, for whoever brings it first.
delete from accounts.single_sign_ons where state_digest = $1 returning browser_digest, next_path, started_at;

-- name: forget
-- Those who never came back.
delete from accounts.single_sign_ons where agency_id = $1 and started_at <= $2;

-- name: session_began
-- Whether a staff session began at the provider, and when.
select started_at from accounts.sessions where id = $1 and kind = 'staff' and single_sign_on;
