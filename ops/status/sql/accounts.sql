-- name: outbox
-- What was not published, and what the audit store did not confirm: counted so far and no further, and the oldest. The
-- order makes the small indexes of such rows the only good way.
select
    (select count(*) from (
        select from {table} where published_at is null order by created_at limit $1
    ) r) as unpublished,
    (select extract(epoch from now() - min(created_at))::float8 from {table} where published_at is null) as unpublished_seconds,
    (select count(*) from (
        select from {table} where published_at is not null and confirmed_at is null order by published_at limit $1
    ) r) as unconfirmed,
    (select extract(epoch from now() - min(published_at))::float8 from {table}
        where published_at is not null and confirmed_at is null) as unconfirmed_seconds;

-- name: deliveries
-- E-mails that are not finished, and those of them that are due and in no worker's hands.
select
    (select count(*) from (
        select from mail.deliveries where finished_at is null order by next_attempt_at limit $1
    ) r) as unfinished,
    count(*) as due, extract(epoch from now() - min(d.next_attempt_at))::float8 as due_seconds
from (
    select next_attempt_at from mail.deliveries
    where finished_at is null and next_attempt_at <= now() and (lease_until is null or lease_until <= now())
    order by next_attempt_at limit $1
) d;

-- name: channels
-- Channels that took no mail when they were last asked; the one of all mail first.
select a.slug, c.code, c.reply, extract(epoch from now() - c.since)::float8 as seconds,
    extract(epoch from c.paused_until - now())::float8 as paused_seconds
from mail.channels c left join accounts.agencies a on a.id = c.agency_id
order by c.agency_id nulls first limit 100;
