-- name: portal_logins_waiting
-- Staff look for temporary passwords that ran out. Those that wait are few among all logins, and only they are in it.
create index concurrently portal_logins_waiting
    on accounts.portal_logins (agency_id, temporary_password_expires_at desc, id desc)
    where active and temporary_password_expires_at is not null;
