-- name: count
-- For the main menu: how many there are of each kind, up to a number at which nobody counts on.
select (
    select count(*) from (
        select from accounts.portal_logins l
        where l.active and l.temporary_password_expires_at <= $1
            and not exists (select from mail.failing f where f.portal_login_id = l.id)
        limit $2
    ) e
) as expired, (
    select count(*) from (select from mail.failing limit $2) f
) as failed;

-- name: expired
-- Active logins whose temporary password ran out, the latest first. A login whose e-mail failed is in the other list.
select l.id, l.username, l.email, c.id as client_id, c.first_name, c.last_name, c.client_number,
    false as has_own, l.temporary_password_expires_at as since, null::text as outcome, null::smallint as reply_code, '' as reply
from accounts.portal_logins l join accounts.clients c on c.id = l.client_id
where l.active and l.temporary_password_expires_at <= $1
    and ($2::timestamptz is null or (l.temporary_password_expires_at, l.id) < ($2::timestamptz, $3::uuid))
    and not exists (select from mail.failing f where f.portal_login_id = l.id)
order by l.temporary_password_expires_at desc, l.id desc limit $4;

-- name: failed
-- Active logins whose last e-mail to their present address was given up, the latest first, with what was said last.
select l.id, l.username, l.email, c.id as client_id, c.first_name, c.last_name, c.client_number,
    l.temporary_password_expires_at is null and l.password_hash is not null as has_own, f.since, t.outcome, t.reply_code, coalesce(t.reply, '') as reply
from mail.failing f join accounts.portal_logins l on l.id = f.portal_login_id
    join accounts.clients c on c.id = l.client_id
    left join lateral (
        select a.outcome, a.reply_code, a.reply from mail.delivery_attempts a
        where a.delivery_id = f.id order by a.number desc limit 1
    ) t on true
where ($1::timestamptz is null or (f.since, l.id) < ($1::timestamptz, $2::uuid))
order by f.since desc, l.id desc limit $3;
