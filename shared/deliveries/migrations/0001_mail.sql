-- Credential e-mails on their way, and the outbox of what the notifier reports of them.
create schema mail;

create table mail.deliveries (
    id uuid primary key,
    agency_id uuid not null,
    portal_login_id uuid not null,
    client_id uuid not null,
    -- The folder of templates it is rendered from.
    mail text not null check (mail ~ '^[a-z][a-z0-9_]{0,39}$'),
    recipient text not null,
    -- What the template needs that is no secret.
    context jsonb not null default '{}',
    -- The secret that the template needs, in a box that only the notifier opens; wiped once sent, expired or superseded.
    sealed_secret bytea,
    sealed_for text,
    state text not null check (state in ('queued', 'sending', 'accepted', 'failed', 'expired', 'superseded', 'cancelled')),
    attempts smallint not null default 0,
    next_attempt_at timestamptz not null,
    lease_until timestamptz,
    expires_at timestamptz not null,
    message_id text not null unique,
    created_at timestamptz not null,
    finished_at timestamptz,
    check ((state in ('queued', 'sending')) = (finished_at is null)),
    check (finished_at is null or sealed_secret is null)
);
create index deliveries_login on mail.deliveries (portal_login_id, id);
create index deliveries_due on mail.deliveries (next_attempt_at) where finished_at is null;

create table mail.delivery_attempts (
    delivery_id uuid not null references mail.deliveries (id),
    agency_id uuid not null,
    number smallint not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    -- accepted, deferred, refused, unreachable, unknown, channel_refused
    outcome text,
    -- What the mail server said, in its own words, cut at 500 characters.
    reply_code smallint,
    reply text not null default '',
    primary key (delivery_id, number)
);

create table mail.outbox (
    id uuid primary key,
    agency_id uuid not null,
    kind text not null check (kind in ('event', 'delivery')),
    body text not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    confirmed_at timestamptz
);
create index outbox_unpublished on mail.outbox (created_at) where published_at is null;
create index outbox_unconfirmed on mail.outbox (published_at) where published_at is not null and confirmed_at is null;
create index outbox_confirmed on mail.outbox (confirmed_at) where confirmed_at is not null;

do $$
declare
    t text;
begin
    foreach t in array array['deliveries', 'delivery_attempts', 'outbox']
    loop
        execute format('alter table mail.%I enable row level security', t);
        execute format('alter table mail.%I force row level security', t);
    end loop;
    foreach t in array array['deliveries', 'delivery_attempts']
    loop
        execute format(
            'create policy one_agency on mail.%I to portico_admin, portico_portal
             using (agency_id = (select accounts.current_agency()))
             with check (agency_id = (select accounts.current_agency()))', t);
    end loop;
end
$$;
-- A task names a delivery and nothing else, so the notifier must find it before it knows the agency.
create policy across_agencies on mail.deliveries to portico_notifier using (true) with check (true);
create policy across_agencies on mail.delivery_attempts to portico_notifier using (true) with check (true);
create policy reports on mail.outbox for insert to portico_notifier with check (true);
create policy across_agencies on mail.outbox to portico_relay using (true) with check (true);

grant usage on schema mail to portico_admin, portico_portal, portico_notifier, portico_relay;
grant insert on mail.deliveries to portico_admin, portico_portal;
-- Neither publisher may read a sealed secret back; both may wipe one that is superseded.
grant select (id, agency_id, portal_login_id, client_id, mail, recipient, state, attempts, next_attempt_at, expires_at,
    created_at, finished_at) on mail.deliveries to portico_admin, portico_portal;
grant update (state, finished_at, sealed_secret, lease_until) on mail.deliveries to portico_admin, portico_portal;
grant select on mail.delivery_attempts to portico_admin;
grant select, update on mail.deliveries to portico_notifier;
grant select, insert, update on mail.delivery_attempts to portico_notifier;
grant insert on mail.outbox to portico_notifier;
grant select, insert, update, delete on mail.outbox to portico_relay;
