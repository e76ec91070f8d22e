-- name: portal_logins_waiting
-- Staff look for temporary passwords that ran out. Those that wait are few among all logins, and only they are in it.
create index concurrently portal_logins_waiting
    on accounts.portal_logins (agency_id, temporary_password_expires_at desc, id desc)
    where active and temporary_password_expires_at is not null;

-- name: sessions_of_programs
-- Whether a program that signs in without a browser has done so before is asked at each of its sign-ins.
create index concurrently sessions_of_programs on accounts.sessions (portal_login_id, user_agent)
    where portal_login_id is not null and secret_digest is null;
