-- name: insert
-- A new e-mail in the queue, its secret sealed.
insert into mail.deliveries (id, agency_id, portal_login_id, client_id, staff_user_id, mail, recipient, context,
    sealed_secret, sealed_for, state, next_attempt_at, expires_at, message_id, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'queued', $11, $12, $13, $11);

-- name: end_open
-- A newer credential, or a person made inactive, takes those in the queue out of it and wipes their secrets.
-- One that is being handed over right now is wiped as well: what it carries is no longer good.
update mail.deliveries set state = $2, finished_at = $3, sealed_secret = null, lease_until = null
where (portal_login_id = $1 or staff_user_id = $1) and finished_at is null and mail <> all($4::text[])
returning id, mail;

-- name: open_mail
-- Which credential of a person is on its way right now.
select mail from mail.deliveries
where (portal_login_id = $1 or staff_user_id = $1) and finished_at is null and mail <> all($2::text[]) order by id desc limit 1;

-- name: last_recipient
-- Whoever has read of this login: where the last e-mail went, or is on its way to. None that was taken back or given up.
-- Nor what only says that an address was put in: it may be nobody's, or a stranger's.
select recipient from mail.deliveries
where portal_login_id = $1 and state in ('queued', 'sending', 'accepted') and mail <> 'new_email' order by id desc limit 1;

-- name: sent_since
-- How often an e-mail of this kind was asked for.
select max(created_at) as latest, count(*) as count from mail.deliveries
where (portal_login_id = $1 or staff_user_id = $1) and mail = $2 and created_at > $3;

-- name: of_person
-- A person's deliveries, newest first.
select id, mail, recipient, state, attempts, next_attempt_at, expires_at, created_at, finished_at
from mail.deliveries where (portal_login_id = $1 or staff_user_id = $1) and ($2::uuid is null or id < $2)
order by id desc limit $3;

-- name: attempts_of
-- Every attempt of these deliveries, in order.
select delivery_id, number, started_at, ended_at, outcome, reply_code, reply
from mail.delivery_attempts where delivery_id = any($1::uuid[]) order by delivery_id, number;

-- name: latest_of
-- The newest e-mail of one kind to somebody.
select id, mail, recipient, state, attempts, next_attempt_at, expires_at, created_at, finished_at
from mail.deliveries where (portal_login_id = $1 or staff_user_id = $1) and mail = $2
order by id desc limit 1;

-- name: supersede
-- A newer one of the same kind takes its place, whatever else is on the way to the person.
update mail.deliveries set state = 'superseded', finished_at = $3, sealed_secret = null, lease_until = null
where (portal_login_id = $1 or staff_user_id = $1) and finished_at is null and mail = $2
returning id, mail;
