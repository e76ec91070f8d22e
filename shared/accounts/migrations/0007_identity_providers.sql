-- Single sign-on of staff: whom an agency lets say who they are, who that is here, and sign-ins that are on their way.

create table accounts.identity_providers (
    agency_id uuid primary key references accounts.agencies (id),
    issuer text not null check (length(issuer) between 1 and 300),
    client_id text not null check (length(client_id) between 1 and 300),
    -- A box of the admin service's own; see shared/security/boxes.py.
    sealed_secret bytea not null,
    name text not null check (length(name) between 1 and 60),
    claim text not null check (claim in ('preferred_username', 'email')),
    local_sign_in boolean not null default true,
    -- When issuer, client, secret or claim were last changed: what began before says nothing of how they work.
    connected_at timestamptz not null,
    version integer not null default 1
);

create table accounts.staff_identities (
    agency_id uuid not null references accounts.agencies (id),
    issuer text not null,
    subject text not null check (length(subject) between 1 and 255),
    staff_user_id uuid not null references accounts.staff_users (id),
    linked_at timestamptz not null,
    primary key (agency_id, issuer, subject),
    unique (staff_user_id, issuer)
);

-- Removed when somebody comes back with the state, so that each is good once.
create table accounts.single_sign_ons (
    state_digest bytea primary key check (length(state_digest) = 32),
    agency_id uuid not null references accounts.agencies (id),
    -- SHA-256 of a cookie of the browser that began it; nonce and PKCE verifier are derived from the same cookie.
    browser_digest bytea not null check (length(browser_digest) = 32),
    next_path text not null,
    started_at timestamptz not null
);
create index single_sign_ons_started on accounts.single_sign_ons (agency_id, started_at);

do $$
declare
    t text;
begin
    foreach t in array array['identity_providers', 'staff_identities', 'single_sign_ons']
    loop
        execute format('alter table accounts.%I enable row level security', t);
        execute format('alter table accounts.%I force row level security', t);
        execute format(
            'create policy one_agency on accounts.%I to portico_admin
             using (agency_id = (select accounts.current_agency()))
             with check (agency_id = (select accounts.current_agency()))', t);
    end loop;
end
$$;

grant select, insert, update, delete on accounts.identity_providers to portico_admin;
grant select, insert, delete on accounts.staff_identities to portico_admin;
grant select, insert, delete on accounts.single_sign_ons to portico_admin;

alter table accounts.sessions add column single_sign_on boolean not null default false;
