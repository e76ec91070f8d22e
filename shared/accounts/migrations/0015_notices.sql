-- Which notices an agency has mailed to the owners of portal logins beyond those that are always sent, and what a new
-- login is sent: a temporary password, or a link with which its owner chooses one.
alter table accounts.agencies
    add column notice_of_new_device boolean not null default true,
    add column notice_of_inactive boolean not null default true,
    add column notice_of_new_email boolean not null default true,
    add column link_for_new_logins boolean not null default false;

-- A login that was sent a link has no hash at all; when the link is over stands in temporary_password_expires_at.
alter table accounts.password_tokens drop constraint password_tokens_purpose_check;
alter table accounts.password_tokens add constraint password_tokens_purpose_check
    check (purpose in ('temporary', 'reset', 'report', 'confirm_email', 'invitation')) not valid;
alter table accounts.password_tokens validate constraint password_tokens_purpose_check;
