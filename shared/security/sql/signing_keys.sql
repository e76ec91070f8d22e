-- name: publish
-- A service makes its own public key known; row-level security holds it to its own name.
insert into accounts.signing_keys (kid, issuer, public_key, created_at) values ($1, $2, $3, $4) on conflict do nothing;

-- name: all
-- Every public key, for the ring.
select kid, issuer, public_key, created_at, withdrawn_at from accounts.signing_keys;

-- name: withdraw
-- For good: publishing it again leaves the mark.
update accounts.signing_keys set withdrawn_at = $2 where kid = any($1::text[]) and withdrawn_at is null returning kid;
