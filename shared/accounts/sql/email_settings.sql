-- name: of_agency
-- What the transaction's agency says about its e-mails; of the password only whether there is one.
select sender, sender_name, reply_to, host, port, security, username, version from accounts.email_settings;

-- name: add
-- The settings of an agency that has none yet.
insert into accounts.email_settings
    (agency_id, sender, sender_name, reply_to, host, port, security, username, sealed_password, sealed_for, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: put
-- The settings as they are to be, with the password that is good from now on, or none. No upsert: that would have to
-- read the password.
update accounts.email_settings set sender = $2, sender_name = $3, reply_to = $4, host = $5, port = $6, security = $7,
    username = $8, sealed_password = $9, sealed_for = $10, version = $11
where agency_id = $1 returning version;

-- name: put_but_password
-- The same where the password stays; nothing here may read it.
update accounts.email_settings set sender = $2, sender_name = $3, reply_to = $4, host = $5, port = $6, security = $7,
    username = $8, version = $9
where agency_id = $1;

-- name: for_notifier
-- The same for whoever sends: with the password, in its box.
select sender, sender_name, reply_to, host, port, security, username, sealed_password, sealed_for, version
from accounts.email_settings where agency_id = $1;

-- name: sealed_for_others
-- Passwords in boxes of another key than this one.
select agency_id, sealed_password from accounts.email_settings where sealed_for <> $1 limit 100;

-- name: reseal
-- The same password in another box, unless it was changed meanwhile.
update accounts.email_settings set sealed_password = $3, sealed_for = $4 where agency_id = $1 and sealed_password = $2;
