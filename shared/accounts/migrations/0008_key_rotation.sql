-- Keys rotate while everything runs. A signing key that nobody needs any more, or that has leaked, is marked and not
-- deleted: a process that still has it somewhere would publish it again, and that changes nothing then.
alter table accounts.signing_keys add column withdrawn_at timestamptz;

-- What publishers seal for. The notifier publishes the halves of what it can open; its name is what
-- mail.deliveries.sealed_for says.
create table accounts.sealing_keys (
    name text primary key,
    public_key bytea not null check (length(public_key) = 32),
    created_at timestamptz not null,
    withdrawn_at timestamptz
);

alter table accounts.sealing_keys enable row level security;
alter table accounts.sealing_keys force row level security;
create policy publishers_read on accounts.sealing_keys for select to portico_admin, portico_portal, portico_notifier
    using (true);
-- Whoever could publish another key here could have temporary passwords sealed for themselves.
create policy notifier_publishes on accounts.sealing_keys for insert to portico_notifier with check (withdrawn_at is null);
grant select on accounts.sealing_keys to portico_admin, portico_portal;
grant select, insert (name, public_key, created_at) on accounts.sealing_keys to portico_notifier;

-- A service withdraws its own keys and nobody else's, and never takes that back.
create policy own_withdrawal on accounts.signing_keys for update
    to portico_admin, portico_portal, portico_notifier
    using (issuer = current_user and withdrawn_at is null)
    with check (issuer = current_user and withdrawn_at is not null);
grant update (withdrawn_at) on accounts.signing_keys to portico_admin, portico_portal, portico_notifier;

-- `portico keys`: forced row-level security binds the owner as well, where it is no superuser.
do $$
begin
    execute format('create policy operators on accounts.signing_keys to %I using (true) with check (true)', current_user);
    execute format('create policy operators on accounts.sealing_keys to %I using (true) with check (true)', current_user);
end
$$;
