-- E-mails to staff users: an invitation, a reset, a notice. Each e-mail has one owner.

alter table mail.deliveries alter column portal_login_id drop not null;
alter table mail.deliveries alter column client_id drop not null;
alter table mail.deliveries add column staff_user_id uuid;
alter table mail.deliveries add constraint deliveries_one_owner
    check (num_nonnulls(portal_login_id, staff_user_id) = 1 and (portal_login_id is null) = (client_id is null)) not valid;
alter table mail.deliveries validate constraint deliveries_one_owner;
create index deliveries_staff on mail.deliveries (staff_user_id, id) where staff_user_id is not null;

-- The portal never sees an e-mail to staff. It asks by either owner, so it may name the column.
create policy portal_kind on mail.deliveries as restrictive to portico_portal
    using (staff_user_id is null) with check (staff_user_id is null);
grant select (staff_user_id) on mail.deliveries to portico_admin, portico_portal;
