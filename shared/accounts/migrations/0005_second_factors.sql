-- A second factor at sign-in: an authenticator app (TOTP, RFC 6238), recovery codes, and what comes with them.

alter table accounts.agencies add column second_factor_of_staff boolean not null default false;
alter table accounts.agencies add column second_factor_of_representatives boolean not null default false;

-- One app a person; setting up another one takes its place only when a code has shown that it works.
create table accounts.totp_authenticators (
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    -- The staff user or the portal login, by kind. Neither is ever deleted.
    person_id uuid not null,
    -- The shared secret, in a box whose keys are not in the database.
    sealed_seed bytea,
    confirmed_at timestamptz,
    -- The latest time step whose code was taken: each code is good once.
    last_step bigint,
    -- Wrong codes since the last right one.
    wrong_codes smallint not null default 0,
    pending_seed bytea,
    pending_since timestamptz,
    -- Who is setting it up: SHA-256 of a session's id or of a half-done sign-in's token. Nobody else gets to see it.
    pending_for bytea,
    primary key (kind, person_id),
    check ((sealed_seed is null) = (confirmed_at is null))
);

create table accounts.recovery_codes (
    -- SHA-256; a code has 116 bits from the system's random source.
    digest bytea primary key,
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    person_id uuid not null,
    created_at timestamptz not null,
    used_at timestamptz
);
create index recovery_codes_person on accounts.recovery_codes (kind, person_id);

-- Sign-ins whose password was right and whose second factor is to come.
create table accounts.half_sign_ins (
    digest bytea primary key,
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    person_id uuid not null,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    wrong_codes smallint not null default 0,
    ended_at timestamptz
);
create index half_sign_ins_open on accounts.half_sign_ins (kind, person_id) where ended_at is null;

-- Browsers on which a person need not give the second factor for a while.
create table accounts.remembered_devices (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    person_id uuid not null,
    -- SHA-256 of the cookie.
    digest bytea not null unique,
    user_agent text not null default '',
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    expires_at timestamptz not null
);
create index remembered_devices_person on accounts.remembered_devices (kind, person_id);

do $$
declare
    t text;
begin
    foreach t in array array['totp_authenticators', 'recovery_codes', 'half_sign_ins', 'remembered_devices']
    loop
        execute format('alter table accounts.%I enable row level security', t);
        execute format('alter table accounts.%I force row level security', t);
        execute format(
            'create policy one_agency on accounts.%I to portico_admin, portico_portal
             using (agency_id = (select accounts.current_agency()))
             with check (agency_id = (select accounts.current_agency()))', t);
        -- The portal must never touch what is staff's.
        execute format(
            'create policy portal_kind on accounts.%I as restrictive to portico_portal
             using (kind = ''portal'') with check (kind = ''portal'')', t);
    end loop;
end
$$;
grant select, insert, update on accounts.half_sign_ins to portico_admin, portico_portal;
-- What is removed is gone: a secret that is no longer of use is not kept.
grant select, insert, update, delete on accounts.totp_authenticators, accounts.remembered_devices
    to portico_admin, portico_portal;
grant select, insert, update (used_at), delete on accounts.recovery_codes to portico_admin, portico_portal;
