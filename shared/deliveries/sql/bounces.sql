-- name: agency_of
-- Before the agency is known, nothing else can be read.
select mail.agency_of_delivery($1);

-- name: sent
-- A delivery that was handed over at least once; what was never tried cannot have come back.
select id, mail, recipient, created_at, client_id, portal_login_id, staff_user_id
from mail.deliveries where id = $1 and attempts > 0;

-- name: insert
-- Once for each delivery and kind.
insert into mail.bounces (id, agency_id, delivery_id, kind, source, code, reply, at, recorded_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (delivery_id, kind) do nothing
returning id;

-- name: flag
-- The first report stands. After staff have said that the address works, only what was sent since then counts ($7).
insert into mail.bounced_addresses as known (agency_id, address, kind, code, reply, since)
values ($1, lower($2), $3, $4, $5, $6)
on conflict (agency_id, address) do update
set kind = excluded.kind, code = excluded.code, reply = excluded.reply, since = excluded.since, lifted_at = null
where known.lifted_at <= $7
returning address;

-- name: end_waiting
-- What waits for the address. One that is being handed over at this moment is left to its worker.
update mail.deliveries set state = 'failed', finished_at = $3, sealed_secret = null, lease_until = null
where agency_id = $1 and lower(recipient) = lower($2) and finished_at is null and state = 'queued'
returning id, mail, attempts, client_id, portal_login_id, staff_user_id;

-- name: flags
-- Which of these addresses nothing is sent to.
select address, kind, code, reply, since from mail.bounced_addresses
where agency_id = $1 and address = any($2::text[]) and lifted_at is null;

-- name: lift
-- Staff say that it works.
update mail.bounced_addresses set lifted_at = $3
where agency_id = $1 and address = lower($2) and lifted_at is null
returning address;

-- name: of_deliveries
-- What came back of these, in order.
select delivery_id, kind, code, reply, at from mail.bounces where delivery_id = any($1::uuid[]) order by id;

-- name: latest_of
-- What to say of logins whose latest e-mail came back, without their address being given up.
select d.portal_login_id, d.id as delivery_id, b.kind, b.code, b.reply, b.at
from unnest($1::uuid[]) as login (id)
cross join lateral (
    select id, portal_login_id from mail.deliveries where portal_login_id = login.id order by id desc limit 1
) as d
join mail.bounces b on b.delivery_id = d.id
where b.kind in ('soft', 'unknown') order by b.id;
