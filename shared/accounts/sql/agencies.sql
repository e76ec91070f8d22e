-- name: by_slug
-- The agency whose public address this is.
select id, slug, name, contracted, portal_url, time_zone, locale, sender, temporary_password_hours, version
from accounts.agencies where slug = $1;

-- name: by_id
-- The agency somebody works for.
select id, slug, name, contracted, portal_url, time_zone, locale, sender, temporary_password_hours, version
from accounts.agencies where id = $1;

-- name: insert
-- A new agency; operators only.
insert into accounts.agencies (id, slug, name, contracted, portal_url, time_zone, locale, sender, temporary_password_hours, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);
