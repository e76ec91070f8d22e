-- name: mark
-- The newest e-mail of these kinds to a person is the one whose content is good; the first time counts.
insert into mail.delivery_marks (delivery_id, agency_id, step, at)
select d.id, d.agency_id, $3, $4 from mail.deliveries d
where (d.portal_login_id = $1 or d.staff_user_id = $1) and d.mail = any($2::text[])
order by d.id desc limit 1
on conflict do nothing;

-- name: marks_of
-- What became of these e-mails.
select delivery_id, step, at from mail.delivery_marks where delivery_id = any($1::uuid[]);

-- name: succeeded_of
-- Which of these e-mails are followed, and when something newer took the place of what they carry: another e-mail of the
-- same kind, or a password that was chosen with a newer e-mail of another kind.
select d.id, d.followed, least(
    (
        select min(n.created_at) from mail.deliveries n
        where (n.portal_login_id = d.portal_login_id or n.staff_user_id = d.staff_user_id)
            and n.mail = d.mail and n.id > d.id
    ),
    (
        select min(m.at) from mail.deliveries n join mail.delivery_marks m on m.delivery_id = n.id
        where (n.portal_login_id = d.portal_login_id or n.staff_user_id = d.staff_user_id)
            and n.mail <> d.mail and n.id > d.id and m.step = 'password_chosen'
    )
) as succeeded_at
from mail.deliveries d where d.id = any($1::uuid[]);

-- name: newest_of_logins
-- The newest e-mails of each of these portal logins.
select d.portal_login_id, d.id, d.mail, d.recipient, d.state, d.attempts, d.next_attempt_at, d.expires_at, d.created_at,
    d.finished_at
from unnest($1::uuid[]) as l (id) cross join lateral (
    select m.portal_login_id, m.id, m.mail, m.recipient, m.state, m.attempts, m.next_attempt_at, m.expires_at,
        m.created_at, m.finished_at
    from mail.deliveries m where m.portal_login_id = l.id order by m.id desc limit $2
) d
order by d.id desc;
