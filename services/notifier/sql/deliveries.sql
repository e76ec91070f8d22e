-- name: find
-- Whose delivery a task names, and where it goes.
select id, agency_id, client_id, portal_login_id, staff_user_id, mail, lower(split_part(recipient, '@', 2)) as domain from mail.deliveries where id = $1;

-- name: claim
-- One worker gets it: whoever comes second waits for the row, and finds the lease taken. The attempt counts from here
-- on, so that a mail which kills its worker is not tried for ever. Attempts whose worker ended before they did are closed.
-- Not spent are those in which nothing was said about this mail. A number is used again after the channel was refused,
-- so that a long refusal does not leave a row a minute. One statement, since each round trip counts in a long queue.
with claimed as (
    update mail.deliveries d
    set state = 'sending', attempts = d.attempts + 1, lease_until = $4, enqueued_at = null
    from accounts.agencies a
    where d.id = $1 and a.id = d.agency_id and d.finished_at is null
        and d.next_attempt_at <= $3 and (d.lease_until is null or d.lease_until <= $2)
        and (a.contracted or d.staff_user_id is not null) and d.expires_at > $2
        and not exists (
            -- An agency with a mail server of its own is not held by the operator's. A test is how a repair is seen.
            select from mail.channels c
            where c.paused_until > $2 and d.mail <> 'email_test' and (
                c.agency_id = d.agency_id
                or c.agency_id is null
                and not exists (select from accounts.email_settings e where e.agency_id = d.agency_id and e.host is not null)
            )
        )
        and (
            select count(*) from mail.delivery_attempts t
            where t.delivery_id = d.id
                and (t.outcome is null or t.outcome in ('deferred', 'unknown', 'interrupted', 'error'))
        ) < $5
        and not exists (
            select from mail.bounced_addresses b
            where b.agency_id = d.agency_id and b.address = lower(d.recipient) and b.lifted_at is null
        )
    returning d.id, d.agency_id, d.mail, d.attempts as number, d.recipient, d.context, d.sealed_secret, d.sealed_for,
        d.message_id, d.expires_at, a.name as agency_name, a.sender, a.time_zone, a.locale
), closed as (
    update mail.delivery_attempts t
    set ended_at = $2, outcome = 'interrupted', reply = 'The notifier stopped before it knew.'
    from claimed where t.delivery_id = claimed.id and t.number < claimed.number and t.outcome is null
), begun as (
    insert into mail.delivery_attempts (delivery_id, agency_id, number, started_at)
    select id, agency_id, number, $2 from claimed
    on conflict (delivery_id, number) do update
    set started_at = excluded.started_at, ended_at = null, outcome = null, reply_code = null, reply = ''
)
select claimed.number, recipient, context, sealed_secret, sealed_for, message_id, expires_at, agency_name, sender,
    time_zone, locale, earlier.spent, earlier.unknown, earlier.refused_before,
    exists (
        select from mail.channels c where c.agency_id is null or c.agency_id = claimed.agency_id
    ) as channel_refused,
    -- By language.
    (
        select jsonb_object_agg(w.language, jsonb_build_array(w.subject, w.opening, w.closing))
        from accounts.mail_wordings w where w.agency_id = claimed.agency_id and w.mail = claimed.mail
    ) as wordings
from claimed, lateral (
    -- As it was before this statement.
    select
        count(*) filter (where outcome is null or outcome in ('deferred', 'unknown', 'interrupted', 'error')) as spent,
        count(*) filter (where outcome = 'unknown') as unknown,
        coalesce(bool_or(number = claimed.number), false) as refused_before
    from mail.delivery_attempts where delivery_id = claimed.id
) earlier;

-- name: close_interrupted
-- Attempts whose worker ended before they did.
update mail.delivery_attempts
set ended_at = $3, outcome = 'interrupted', reply = 'The notifier stopped before it knew.'
where delivery_id = $1 and number <= $2 and outcome is null;

-- name: keep
-- The last look before the content leaves: it may have been superseded or cancelled while the server was greeted.
update mail.deliveries set lease_until = $3, message_id = $4
where id = $1 and attempts = $2 and finished_at is null
returning id;

-- name: end_attempt
-- Kept whatever became of the delivery meanwhile.
update mail.delivery_attempts set ended_at = $3, outcome = $4, reply_code = $5, reply = $6
where delivery_id = $1 and number = $2;

-- name: finish
-- What was accepted is accepted, even when the lease had run out and another worker has just taken it ($5).
update mail.deliveries set state = $2, finished_at = $3, sealed_secret = null, lease_until = null
where id = $1 and finished_at is null and ($5 or attempts = $4)
returning id;

-- name: requeue
-- Another try later.
update mail.deliveries
set state = 'queued', next_attempt_at = $3, attempts = $4, lease_until = null, enqueued_at = null
where id = $1 and attempts = $2 and finished_at is null
returning id;

-- name: end_unsendable
-- Nothing is sent to portal logins of an agency without a contract, nor what can no longer be used, nor what its workers
-- never survive. Staff of such an agency still read its logs, so they are written to.
update mail.deliveries d
set state = case when not a.contracted and d.staff_user_id is null then 'cancelled' when d.expires_at <= $2 then 'expired' else 'failed' end,
    finished_at = $2, sealed_secret = null, lease_until = null
from accounts.agencies a
where d.id = $1 and a.id = d.agency_id and d.finished_at is null and (d.lease_until is null or d.lease_until <= $2)
    and (
        (not a.contracted and d.staff_user_id is null)
        or d.expires_at <= $2
        or (
            select count(*) from mail.delivery_attempts t
            where t.delivery_id = d.id
                and (t.outcome is null or t.outcome in ('deferred', 'unknown', 'interrupted', 'error'))
        ) >= $3
    )
returning d.state, d.attempts;

-- name: agencies_with_expired
-- Events are written agency by agency.
select distinct agency_id from mail.deliveries
where finished_at is null and expires_at <= $1 and (lease_until is null or lease_until <= $1);

-- name: end_expired
-- A secret that can no longer be used is not kept.
update mail.deliveries set state = 'expired', finished_at = $2, sealed_secret = null, lease_until = null
where id in (
    select id from mail.deliveries
    where agency_id = $1 and finished_at is null and expires_at <= $2 and (lease_until is null or lease_until <= $2)
    order by id limit $3 for update skip locked
)
returning id, agency_id, client_id, portal_login_id, staff_user_id, mail;

-- name: due
-- New ones get a while, since their first task comes from the relay; a later try has no other task than this. What
-- somebody waits for comes first, and nothing whose channel is paused.
select d.id, d.mail from mail.deliveries d
where d.finished_at is null and d.next_attempt_at <= $1 and (d.lease_until is null or d.lease_until <= $1)
    and (d.attempts > 0 or d.created_at <= $2) and (d.enqueued_at is null or d.enqueued_at <= $3)
    and not exists (
        select from mail.channels c
        where c.paused_until > $1 and d.mail <> 'email_test' and (
            c.agency_id = d.agency_id
            or c.agency_id is null
            and not exists (select from accounts.email_settings e where e.agency_id = d.agency_id and e.host is not null)
        )
    )
order by d.mail = any($5::text[]), d.next_attempt_at limit $4;

-- name: mark_enqueued
-- While tasks wait in a long queue, sweeps must not put them there again and again.
update mail.deliveries set enqueued_at = $2 where id = any($1::uuid[]) and finished_at is null;

-- name: waiting
-- For the figures: the age of the oldest due delivery tells of trouble whatever the worker says of itself.
select count(*) as count, min(next_attempt_at) as oldest from mail.deliveries
where finished_at is null and next_attempt_at <= $1;

-- name: put_off
-- Nothing was tried, so nothing is counted. Whoever has it meanwhile keeps it.
update mail.deliveries set next_attempt_at = $3, enqueued_at = null
where id = $1 and finished_at is null and (lease_until is null or lease_until <= $2) and next_attempt_at < $3;
