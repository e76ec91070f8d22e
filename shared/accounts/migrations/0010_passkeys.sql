-- Passkeys (WebAuthn) of staff and of portal logins. Public keys only: nothing in here opens anything.

create table accounts.passkeys (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    -- The staff user or the portal login, by kind. Neither is ever deleted.
    person_id uuid not null,
    credential_id bytea not null unique check (length(credential_id) between 1 and 1023),
    -- A COSE key, as the authenticator gave it.
    public_key bytea not null check (length(public_key) between 1 and 2048),
    sign_count bigint not null,
    transports text[] not null default '{}',
    name text not null check (length(name) between 1 and 60),
    -- Whether it can be, and was last seen to be, copied to its owner's other devices by their maker.
    backup_eligible boolean not null,
    backed_up boolean not null,
    created_at timestamptz not null,
    last_used_at timestamptz
);
create index passkeys_person on accounts.passkeys (kind, person_id);

-- What an authenticator is asked to sign, once. The caller keeps a handle, of which only the digest is here.
create table accounts.passkey_challenges (
    digest bytea primary key,
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    purpose text not null check (purpose in ('register', 'sign_in')),
    challenge bytea not null,
    -- Whoever adds a passkey, and the session in which they gave their password; nobody is known before a sign-in.
    person_id uuid,
    session_id uuid,
    expires_at timestamptz not null,
    used_at timestamptz,
    check ((purpose = 'register') = (person_id is not null and session_id is not null))
);
create index passkey_challenges_expiry on accounts.passkey_challenges (expires_at);

do $$
declare
    t text;
begin
    foreach t in array array['passkeys', 'passkey_challenges']
    loop
        execute format('alter table accounts.%I enable row level security', t);
        execute format('alter table accounts.%I force row level security', t);
        execute format(
            'create policy one_agency on accounts.%I to portico_admin, portico_portal
             using (agency_id = (select accounts.current_agency()))
             with check (agency_id = (select accounts.current_agency()))', t);
        execute format(
            'create policy portal_kind on accounts.%I as restrictive to portico_portal
             using (kind = ''portal'') with check (kind = ''portal'')', t);
    end loop;
end
$$;
grant select, insert, delete on accounts.passkeys to portico_admin, portico_portal;
grant update (name, sign_count, backed_up, last_used_at) on accounts.passkeys to portico_admin, portico_portal;
grant select, insert, update (used_at) on accounts.passkey_challenges to portico_admin, portico_portal;

-- Challenges that are over are swept for all agencies together.
create policy across_agencies on accounts.passkey_challenges to portico_relay using (true);
grant select (expires_at), delete on accounts.passkey_challenges to portico_relay;

-- Whether anybody has signed in on a browser is asked before it is known who it is.
create index sign_in_budgets_device on accounts.sign_in_budgets (device) where device is not null;
