-- name: session
-- The session that a token names, if it is its subject's, with everything that decides what it may see.
select s.kind, s.last_seen_at, s.expires_at, s.ended_at, a.time_zone, a.contracted, u.role, u.username, u.display_name,
    coalesce(u.active, l.active) as active, l.username as login_username, l.client_id
from accounts.session_states s
join accounts.agency_clocks a on a.id = s.agency_id
left join accounts.staff_states u on u.id = s.staff_user_id
left join accounts.portal_login_clients l on l.id = s.portal_login_id
where s.id = $1 and coalesce(s.staff_user_id, s.portal_login_id) = $2;

-- name: client_exists
-- Whether the agency has this client.
select true from accounts.client_ids where id = $1;

-- name: client_of_login
-- Whose login it is.
select client_id from accounts.portal_login_clients where id = $1;

-- name: client_of_case
-- Whose case it is.
select client_id from accounts.case_clients where id = $1;

-- name: people_called
-- Whose username this is: of staff, of a portal login, or of both. In any case, as at sign-in.
select 'staff' as kind, id from accounts.staff_states where lower(username) = lower($1)
union all
select 'portal_login', id from accounts.portal_login_clients where lower(username) = lower($1);

-- name: staff
-- Everybody who works or worked for the agency, by name.
select id, username, display_name from accounts.staff_states order by lower(display_name), username;
