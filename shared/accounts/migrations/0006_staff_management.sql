-- Agency admins manage the staff users of their agency; staff have e-mail addresses, temporary passwords and resets.

alter table accounts.staff_users
    -- Null for those from before: an admin has to give one before an e-mail can be sent.
    add column email text,
    add column temporary_password_hash text,
    add column temporary_password_expires_at timestamptz,
    -- Since when the person has not signed in with an e-mail address that an admin has put in.
    add column email_unconfirmed_since timestamptz,
    -- Since when nobody gets in, because the person said that somebody else had changed the password.
    add column reported_at timestamptz,
    add column last_sign_in_at timestamptz,
    add column version integer not null default 1,
    add column updated_at timestamptz not null default now();

-- Tokens that set a password, or say that a change was somebody else's, belong to a portal login or to a staff user.
alter table accounts.password_tokens alter column portal_login_id drop not null;
alter table accounts.password_tokens add column staff_user_id uuid;
alter table accounts.password_tokens add constraint password_tokens_staff_user_id_fkey
    foreign key (staff_user_id) references accounts.staff_users (id) not valid;
alter table accounts.password_tokens validate constraint password_tokens_staff_user_id_fkey;
alter table accounts.password_tokens add constraint password_tokens_one_owner
    check (num_nonnulls(portal_login_id, staff_user_id) = 1) not valid;
alter table accounts.password_tokens validate constraint password_tokens_one_owner;
create index password_tokens_staff on accounts.password_tokens (staff_user_id) where staff_user_id is not null;

-- The portal never sees a token of staff.
create policy portal_kind on accounts.password_tokens as restrictive to portico_portal
    using (staff_user_id is null) with check (staff_user_id is null);
