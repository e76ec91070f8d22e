-- name: signing
-- Every public signing key there ever was.
select issuer, kid, created_at, withdrawn_at from accounts.signing_keys;

-- name: sealing
-- Every public sealing key, with the e-mails that wait (counted up to a bound) and the passwords of agencies' mail
-- servers that nothing but its private half opens; the notifier seals those anew by itself.
select k.name, k.created_at, k.withdrawn_at, (
    select count(*) from (
        select from mail.deliveries d where d.finished_at is null and d.sealed_for = k.name limit 10001
    ) waiting
) + (select count(*) from accounts.email_settings e where e.sealed_for = k.name) as waiting
from accounts.sealing_keys k;

-- name: withdraw_signing
-- For good: a process that publishes it again changes nothing.
update accounts.signing_keys set withdrawn_at = $2 where kid = any($1::text[]) and withdrawn_at is null returning kid;

-- name: withdraw_sealing
-- Nobody seals for it any more.
update accounts.sealing_keys set withdrawn_at = $2 where name = any($1::text[]) and withdrawn_at is null returning name;

-- name: agencies
-- In whose logs it is written that a key was changed.
select id from accounts.agencies order by slug;
