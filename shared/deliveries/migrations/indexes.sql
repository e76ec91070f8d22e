-- name: deliveries_failed
-- The e-mails to portal logins that were given up, for the list of what needs attention.
create index concurrently deliveries_failed on mail.deliveries (agency_id, finished_at desc, id desc)
    where state = 'failed' and portal_login_id is not null;
