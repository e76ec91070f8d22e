-- name: insert
-- A session begins.
insert into accounts.sessions (id, agency_id, kind, staff_user_id, portal_login_id, secret_digest, user_agent, address,
    started_at, last_seen_at, expires_at, single_sign_on)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11);

-- name: staff_by_id
-- A staff session with what it needs to be judged, in one read at each request.
select s.id, s.secret_digest, s.last_seen_at, s.expires_at, s.ended_at,
    u.id as person_id, u.username, u.display_name as name, u.role, u.active, null::uuid as client_id, false as representative
from accounts.sessions s join accounts.staff_users u on u.id = s.staff_user_id
where s.id = $1 and s.kind = 'staff';

-- name: portal_by_id
-- A portal session with what it needs to be judged; an agency without a contract has no active ones.
select s.id, s.secret_digest, s.last_seen_at, s.expires_at, s.ended_at,
    l.id as person_id, l.username, l.username as name, null as role, l.active and a.contracted as active, l.client_id, l.representative
from accounts.sessions s
join accounts.portal_logins l on l.id = s.portal_login_id
join accounts.agencies a on a.id = s.agency_id
where s.id = $1 and s.kind = 'portal';

-- name: staff_open
-- A staff user's good sessions: the one that asks first, then the latest used.
select id, user_agent, address, started_at, last_seen_at, id is not distinct from $4 as current from accounts.sessions
where staff_user_id = $1 and ended_at is null and last_seen_at > $2 and expires_at > $3
order by id = $4 desc, last_seen_at desc, id desc;

-- name: portal_open
-- A portal login's good sessions: the one that asks first, then the latest used.
select id, user_agent, address, started_at, last_seen_at, id is not distinct from $4 as current from accounts.sessions
where portal_login_id = $1 and ended_at is null and last_seen_at > $2 and expires_at > $3
order by id = $4 desc, last_seen_at desc, id desc;

-- name: open_of_client
-- How many sessions of each of a client's portal logins are good at this moment.
select s.portal_login_id, count(*) as open from accounts.sessions s
join accounts.portal_logins l on l.id = s.portal_login_id
where l.client_id = $1 and s.ended_at is null and s.last_seen_at > $2 and s.expires_at > $3
group by s.portal_login_id;

-- name: seen
-- The session was used; written at most once a minute.
update accounts.sessions set last_seen_at = $2 where id = $1 and ended_at is null;

-- name: count_wrong_password
-- Another wrong password of somebody who is signed in; answers how many there were in this session.
update accounts.sessions set wrong_passwords = wrong_passwords + 1 where id = $1 returning wrong_passwords;

-- name: end_one
-- A session ends, once.
update accounts.sessions set ended_at = $2, end_reason = $3 where id = $1 and ended_at is null returning id;

-- name: end_all_portal
-- All open sessions of a portal login end, but for one that may stay.
update accounts.sessions set ended_at = $2, end_reason = $3
where portal_login_id = $1 and ended_at is null and id is distinct from $4
returning id;

-- name: end_all_staff
-- All open sessions of a staff user end, but for one that may stay.
update accounts.sessions set ended_at = $2, end_reason = $3
where staff_user_id = $1 and ended_at is null and id is distinct from $4
returning id;

-- name: overdue
-- Sessions that nobody ended: idle for too long, or past their absolute limit. Those that another sweep holds are left to it.
select s.id, s.agency_id, s.staff_user_id, s.portal_login_id, s.expires_at <= $1 as past_limit,
    coalesce(l.username, u.username) as username, l.client_id
from accounts.sessions s
left join accounts.portal_logins l on l.id = s.portal_login_id
left join accounts.staff_users u on u.id = s.staff_user_id
where s.kind = $3 and s.ended_at is null and (s.last_seen_at <= $2 or s.expires_at <= $1)
order by s.last_seen_at limit $4
for update of s skip locked;

-- name: insert_refresh
-- A refresh token of a session; only its digest is kept.
insert into accounts.refresh_tokens (digest, agency_id, session_id, kind, issued_at, expires_at)
values ($1, $2, $3, $4, $5, $6);

-- name: lock_refresh
-- The refresh token that is presented; two that present it at once take turns.
select digest, session_id, issued_at, expires_at, used_at from accounts.refresh_tokens
where digest = $1 and kind = $2 for update;

-- name: stored_refresh
-- A retry gets what it was given before; the key that this came from may not be the one that signs now.
select digest from accounts.refresh_tokens where digest = any($1::bytea[]) limit 1;

-- name: use_refresh
-- It has been exchanged.
update accounts.refresh_tokens set used_at = $2 where digest = $1;

-- name: expire_refresh
-- Those of a session whose owner got new ones in exchange for a password: the old ones are no good, and no sign of theft.
update accounts.refresh_tokens set expires_at = $2 where session_id = $1 and expires_at > $2;

-- name: rotate_secret
-- The cookie that a session goes on with; the one before is no good.
update accounts.sessions set secret_digest = $2 where id = $1 and ended_at is null;

-- name: insert_password_token
-- A token that lets its bearer set a password once.
insert into accounts.password_tokens (digest, agency_id, portal_login_id, staff_user_id, purpose, issued_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: lock_password_token
-- The token that is presented, if it is still good, and its owner is of the kind that is asked for.
select digest, coalesce(portal_login_id, staff_user_id) as person_id, purpose, issued_at, expires_at
from accounts.password_tokens
where digest = $1 and used_at is null and expires_at > $2 and ($3 = 'staff') = (staff_user_id is not null) for update;

-- name: use_password_token
-- It is used, once.
update accounts.password_tokens set used_at = $2 where digest = $1 and used_at is null and expires_at > $2 returning digest;

-- name: last_reset
-- When the reset that is still open was asked for.
select max(issued_at) from accounts.password_tokens
where (portal_login_id = $1 or staff_user_id = $1) and purpose = 'reset' and used_at is null and expires_at > $2;

-- name: resets_since
-- How often a reset was asked for.
select count(*) from accounts.password_tokens
where (portal_login_id = $1 or staff_user_id = $1) and purpose = 'reset' and issued_at > $2;

-- name: void_resets
-- A newer reset takes the place of those that are open.
update accounts.password_tokens set used_at = $2
where (portal_login_id = $1 or staff_user_id = $1) and purpose = 'reset' and used_at is null;

-- name: void_password_tokens
-- Whatever could set this person's password can no longer do it. That an earlier change was somebody else's can still be said.
update accounts.password_tokens set used_at = $2
where (portal_login_id = $1 or staff_user_id = $1) and purpose not in ('report', 'confirm_email') and used_at is null;

-- name: program_known
-- Whether a login's owner has signed in without a browser before: with this program, and with any.
select
    exists (select from accounts.sessions where portal_login_id = $1 and secret_digest is null and user_agent = $2) as this,
    exists (select from accounts.sessions where portal_login_id = $1 and secret_digest is null) as any;
