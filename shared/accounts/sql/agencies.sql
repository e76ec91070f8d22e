-- name: by_slug
-- The agency whose public address this is.
select id, slug, name, contracted, portal_url, time_zone, locale, sender, temporary_password_hours, version,
    second_factor_of_staff, second_factor_of_representatives,
    notice_of_new_device, notice_of_inactive, notice_of_new_email, link_for_new_logins
from accounts.agencies where slug = $1;

-- name: by_id
-- The agency somebody works for.
select id, slug, name, contracted, portal_url, time_zone, locale, sender, temporary_password_hours, version,
    second_factor_of_staff, second_factor_of_representatives,
    notice_of_new_device, notice_of_inactive, notice_of_new_email, link_for_new_logins
from accounts.agencies where id = $1;

-- name: insert
-- A new agency; operators only.
insert into accounts.agencies (id, slug, name, contracted, portal_url, time_zone, locale, sender, temporary_password_hours, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: lock
-- The agency while somebody changes its rules.
select id, slug, name, contracted, portal_url, time_zone, locale, sender, temporary_password_hours, version,
    second_factor_of_staff, second_factor_of_representatives,
    notice_of_new_device, notice_of_inactive, notice_of_new_email, link_for_new_logins
from accounts.agencies where id = $1 for update;

-- name: set_sign_in_rules
-- Of whom a second factor is asked.
update accounts.agencies set second_factor_of_staff = $2, second_factor_of_representatives = $3, version = version + 1
where id = $1;

-- name: set_notice_rules
-- Which notices are mailed besides those that always are, and what a new login is sent.
update accounts.agencies set notice_of_new_device = $2, notice_of_inactive = $3, notice_of_new_email = $4,
    link_for_new_logins = $5, version = version + 1
where id = $1;
