-- Agencies, staff, clients, face sheets, portal logins, sessions, and the outbox of what the publishers say.
create schema accounts;

create function accounts.current_agency() returns uuid
    language sql stable parallel safe
    -- After a commit the setting reads as an empty string, not as null.
    return nullif(current_setting('app.agency_id', true), '')::uuid;

create table accounts.agencies (
    id uuid primary key,
    slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null check (length(name) between 1 and 200),
    contracted boolean not null,
    portal_url text,
    time_zone text not null,
    locale text not null default 'en-US',
    sender text,
    temporary_password_hours smallint not null default 72 check (temporary_password_hours between 1 and 168),
    version integer not null default 1,
    created_at timestamptz not null
);

create table accounts.staff_users (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    username text not null,
    display_name text not null,
    role text not null check (role in ('staff', 'supervisor', 'agency_admin')),
    active boolean not null default true,
    password_hash text,
    created_at timestamptz not null
);
create unique index staff_users_username on accounts.staff_users (agency_id, lower(username));

create table accounts.clients (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    client_number text not null,
    first_name text not null,
    last_name text not null,
    first_name_folded text collate "C" not null,
    last_name_folded text collate "C" not null,
    date_of_birth date not null,
    portal_refused boolean not null default false,
    portal_refused_at timestamptz,
    -- {block: {entry: value}}, as the agency's field blocks describe them.
    dynamic_fields jsonb not null default '{}',
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create unique index clients_number on accounts.clients (agency_id, client_number);
create index clients_order on accounts.clients (agency_id, last_name_folded, first_name_folded, id);

-- What a search finds a client by: folded words of the names, the dates and the numbers. One index serves a prefix of
-- each of them; C collation makes a prefix a range.
create table accounts.client_terms (
    agency_id uuid not null references accounts.agencies (id),
    client_id uuid not null references accounts.clients (id),
    term text collate "C" not null,
    primary key (agency_id, term, client_id)
);
create index client_terms_client on accounts.client_terms (client_id);

-- Client numbers that Portico assigns itself.
create table accounts.client_numbers (
    agency_id uuid primary key references accounts.agencies (id),
    last_assigned bigint not null
);

create table accounts.cases (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    client_id uuid not null references accounts.clients (id),
    case_number text not null,
    program text not null default '',
    opened_on date,
    closed_on date check (closed_on >= opened_on)
);
create unique index cases_number on accounts.cases (agency_id, case_number);
create index cases_client on accounts.cases (client_id);

create table accounts.field_blocks (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    key text not null check (key ~ '^[a-z][a-z0-9_]{0,39}$'),
    label text not null,
    position smallint not null,
    retired boolean not null default false,
    unique (agency_id, key)
);

create table accounts.field_entries (
    block_id uuid not null references accounts.field_blocks (id),
    agency_id uuid not null references accounts.agencies (id),
    key text not null check (key ~ '^[A-Za-z][A-Za-z0-9_]{0,39}$'),
    label text not null,
    kind text not null check (kind in ('text', 'phone', 'email', 'date', 'choice')),
    choices text[] not null default '{}',
    position smallint not null,
    retired boolean not null default false,
    primary key (block_id, key)
);

create table accounts.portal_logins (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    client_id uuid not null references accounts.clients (id),
    username text not null,
    email text not null,
    representative boolean not null default false,
    active boolean not null default true,
    password_hash text,
    temporary_password_hash text,
    temporary_password_expires_at timestamptz,
    -- A temporary password was asked for while the login was inactive: it is made and mailed when it is made active.
    credential_due boolean not null default false,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create unique index portal_logins_username on accounts.portal_logins (agency_id, lower(username));
create index portal_logins_client on accounts.portal_logins (client_id);

create table accounts.sessions (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    staff_user_id uuid references accounts.staff_users (id),
    portal_login_id uuid references accounts.portal_logins (id),
    -- SHA-256 of the cookie's secret; null for sessions of the API.
    secret_digest bytea,
    user_agent text not null default '',
    address inet,
    started_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    end_reason text,
    check ((kind = 'staff') = (staff_user_id is not null)),
    check ((kind = 'portal') = (portal_login_id is not null)),
    check ((ended_at is null) = (end_reason is null))
);
create index sessions_open_portal on accounts.sessions (portal_login_id) where ended_at is null;
create index sessions_open_staff on accounts.sessions (staff_user_id) where ended_at is null;
create index sessions_open_seen on accounts.sessions (kind, last_seen_at) where ended_at is null;

create table accounts.refresh_tokens (
    digest bytea primary key,
    agency_id uuid not null references accounts.agencies (id),
    session_id uuid not null references accounts.sessions (id),
    kind text not null check (kind in ('staff', 'portal')),
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index refresh_tokens_session on accounts.refresh_tokens (session_id);

-- Single-use tokens that let their bearer set a password: after a temporary password, or from a reset mail.
create table accounts.password_tokens (
    digest bytea primary key,
    agency_id uuid not null references accounts.agencies (id),
    portal_login_id uuid not null references accounts.portal_logins (id),
    purpose text not null check (purpose in ('temporary', 'reset')),
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index password_tokens_login on accounts.password_tokens (portal_login_id);

-- Public halves of the keys that sign tokens; a service may only publish its own.
create table accounts.signing_keys (
    kid text primary key,
    issuer text not null,
    public_key bytea not null check (length(public_key) = 32),
    created_at timestamptz not null
);

create table accounts.outbox (
    id uuid primary key,
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('event', 'delivery')),
    body text not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    confirmed_at timestamptz
);
create index outbox_unpublished on accounts.outbox (created_at) where published_at is null;
create index outbox_unconfirmed on accounts.outbox (published_at) where published_at is not null and confirmed_at is null;
create index outbox_confirmed on accounts.outbox (confirmed_at) where confirmed_at is not null;

-- What the audit service may know of sessions, cases, clients and people: no secrets.
create view accounts.session_states with (security_invoker = true) as
    select s.id, s.agency_id, s.kind, s.staff_user_id, s.portal_login_id, s.last_seen_at, s.expires_at, s.ended_at
    from accounts.sessions s;
create view accounts.case_clients with (security_invoker = true) as
    select c.id, c.agency_id, c.client_id from accounts.cases c;
create view accounts.client_ids with (security_invoker = true) as
    select c.id, c.agency_id from accounts.clients c;
create view accounts.agency_clocks with (security_invoker = true) as
    select a.id, a.slug, a.name, a.time_zone, a.contracted from accounts.agencies a;
create view accounts.portal_login_clients with (security_invoker = true) as
    select l.id, l.agency_id, l.client_id, l.username, l.active from accounts.portal_logins l;
create view accounts.staff_states with (security_invoker = true) as
    select s.id, s.agency_id, s.username, s.display_name, s.role, s.active from accounts.staff_users s;

-- Row-level security: every table, forced, so that even its owner is held to it.
do $$
declare
    t text;
begin
    foreach t in array array['staff_users', 'clients', 'client_terms', 'client_numbers', 'cases', 'field_blocks', 'field_entries',
                             'portal_logins', 'sessions', 'refresh_tokens', 'password_tokens', 'outbox']
    loop
        execute format('alter table accounts.%I enable row level security', t);
        execute format('alter table accounts.%I force row level security', t);
        execute format(
            'create policy one_agency on accounts.%I to portico_admin, portico_portal, portico_audit
             using (agency_id = (select accounts.current_agency()))
             with check (agency_id = (select accounts.current_agency()))', t);
    end loop;
    -- The portal must never touch a staff session, nor the audit service's questions be limited to one kind.
    foreach t in array array['sessions', 'refresh_tokens']
    loop
        execute format(
            'create policy portal_kind on accounts.%I as restrictive to portico_portal
             using (kind = ''portal'') with check (kind = ''portal'')', t);
    end loop;
end
$$;

alter table accounts.agencies enable row level security;
alter table accounts.agencies force row level security;
-- Slug, name and contract of an agency stand on its public sign-in page: anyone may look them up, nobody may change
-- another agency's.
create policy directory on accounts.agencies for select
    to portico_admin, portico_portal, portico_audit, portico_notifier, portico_relay using (true);
do $$
begin
    -- Agencies are made by operators, with the migrating role.
    execute format('create policy operators on accounts.agencies to %I using (true) with check (true)', current_user);
end
$$;
create policy own_row on accounts.agencies for update to portico_admin
    using (id = (select accounts.current_agency())) with check (id = (select accounts.current_agency()));

alter table accounts.signing_keys enable row level security;
alter table accounts.signing_keys force row level security;
create policy everyone_reads on accounts.signing_keys for select
    to portico_admin, portico_portal, portico_audit, portico_notifier using (true);
create policy own_issuer on accounts.signing_keys for insert
    to portico_admin, portico_portal, portico_notifier with check (issuer = current_user);

-- The relay, the sweeps and the reconciler work across agencies, on these tables only.
create policy across_agencies on accounts.outbox to portico_relay using (true) with check (true);
create policy across_agencies on accounts.sessions to portico_relay using (true) with check (true);
create policy across_agencies on accounts.portal_logins for select to portico_relay using (true);
create policy across_agencies on accounts.staff_users for select to portico_relay using (true);

grant usage on schema accounts to portico_admin, portico_portal, portico_audit, portico_notifier, portico_relay;

grant select on accounts.agencies to portico_admin, portico_portal, portico_relay;
grant select (id, slug, name, contracted, portal_url, time_zone, locale, sender) on accounts.agencies to portico_notifier;
grant update on accounts.agencies to portico_admin;
grant select, insert, update on accounts.staff_users, accounts.clients, accounts.client_numbers, accounts.cases,
    accounts.field_blocks, accounts.field_entries, accounts.portal_logins, accounts.sessions,
    accounts.refresh_tokens, accounts.password_tokens to portico_admin;
grant select, insert, delete on accounts.client_terms to portico_admin;
grant insert on accounts.outbox to portico_admin, portico_portal;
grant select, insert on accounts.signing_keys to portico_admin, portico_portal, portico_notifier;

grant select (id, agency_id, first_name, last_name, date_of_birth, client_number) on accounts.clients to portico_portal;
grant select on accounts.portal_logins to portico_portal;
grant update (password_hash, temporary_password_hash, temporary_password_expires_at, credential_due, updated_at)
    on accounts.portal_logins to portico_portal;
grant select, insert, update on accounts.sessions, accounts.refresh_tokens, accounts.password_tokens to portico_portal;

grant select on accounts.session_states, accounts.case_clients, accounts.client_ids, accounts.agency_clocks,
    accounts.portal_login_clients, accounts.staff_states to portico_audit;
-- The views run with their reader's rights, so the columns behind them are granted one by one.
grant select (id, agency_id, kind, staff_user_id, portal_login_id, last_seen_at, expires_at, ended_at)
    on accounts.sessions to portico_audit;
grant select (id, agency_id, client_id) on accounts.cases to portico_audit;
grant select (id, agency_id) on accounts.clients to portico_audit;
grant select (id, slug, name, time_zone, contracted) on accounts.agencies to portico_audit;
grant select (id, agency_id, client_id, username, active) on accounts.portal_logins to portico_audit;
grant select (id, agency_id, username, display_name, role, active) on accounts.staff_users to portico_audit;
grant select on accounts.signing_keys to portico_audit;

grant select, insert, update, delete on accounts.outbox to portico_relay;
grant select, update (ended_at, end_reason) on accounts.sessions to portico_relay;
grant select (id, agency_id, client_id, username, representative) on accounts.portal_logins to portico_relay;
grant select (id, agency_id, username, display_name) on accounts.staff_users to portico_relay;
