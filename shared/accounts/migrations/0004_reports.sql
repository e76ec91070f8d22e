-- Each mail that says that a password was changed carries a code with which its reader says: that was not me.

alter table accounts.password_tokens drop constraint password_tokens_purpose_check;
alter table accounts.password_tokens add constraint password_tokens_purpose_check
    check (purpose in ('temporary', 'reset', 'report')) not valid;
alter table accounts.password_tokens validate constraint password_tokens_purpose_check;

-- Who has forgotten the username is found by the address.
create index portal_logins_email on accounts.portal_logins (agency_id, lower(email));

-- Since when nobody gets in with it, because its owner said that somebody else had changed the password.
alter table accounts.portal_logins add column reported_at timestamptz;
grant update (reported_at) on accounts.portal_logins to portico_portal;
