-- Staff look for temporary passwords that ran out before their owners had chosen one of their own. Those that wait are few
-- among all logins, and only they are in the index.
create index portal_logins_waiting on accounts.portal_logins (agency_id, temporary_password_expires_at desc, id desc)
    where active and temporary_password_expires_at is not null;
