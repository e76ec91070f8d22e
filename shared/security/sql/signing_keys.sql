-- name: publish
-- A service makes its own public key known; row-level security holds it to its own name.
insert into accounts.signing_keys (kid, issuer, public_key, created_at) values ($1, $2, $3, $4) on conflict do nothing;

-- name: all
-- Every public key, for the ring.
select kid, issuer, public_key, created_at from accounts.signing_keys;
