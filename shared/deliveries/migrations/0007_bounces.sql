-- E-mails that came back after a mail server had taken them, and the addresses that nothing is sent to any more.

create table mail.bounces (
    id uuid primary key,
    agency_id uuid not null,
    delivery_id uuid not null references mail.deliveries (id),
    -- hard: nothing will ever arrive there. soft: this one did not. complaint: its reader called it spam.
    kind text not null check (kind in ('hard', 'soft', 'complaint', 'unknown')),
    -- Who told us: a report in the mailbox for returned mail, a provider, or the mail server while we were sending.
    source text not null check (source in ('report', 'provider', 'server')),
    -- RFC 3463, where somebody said one.
    code text check (code ~ '^[245]\.[0-9]{1,3}\.[0-9]{1,3}$'),
    -- What the mail server said, in its own words, cut at 500 characters.
    reply text not null default '' check (length(reply) <= 500),
    at timestamptz not null,
    recorded_at timestamptz not null,
    -- A second report of the same thing says nothing new: reports, and requests of providers, may come again and again.
    unique (delivery_id, kind)
);

-- A row stays when the address works again: a late report of what was sent before that must not close it once more.
create table mail.bounced_addresses (
    agency_id uuid not null references accounts.agencies (id),
    address text not null check (address = lower(address)),
    kind text not null check (kind in ('hard', 'complaint')),
    code text,
    reply text not null default '',
    since timestamptz not null,
    lifted_at timestamptz,
    primary key (agency_id, address)
);

do $$
declare
    t text;
begin
    foreach t in array array['bounces', 'bounced_addresses']
    loop
        execute format('alter table mail.%I enable row level security', t);
        execute format('alter table mail.%I force row level security', t);
        execute format(
            'create policy one_agency on mail.%I to portico_admin, portico_notifier
             using (agency_id = (select accounts.current_agency()))
             with check (agency_id = (select accounts.current_agency()))', t);
    end loop;
end
$$;

-- Whether an address is one of these is asked before the notifier goes on as the agency.
create policy across_agencies on mail.bounced_addresses for select to portico_notifier using (true);

-- The portal sees none of it: what it queues for such an address is ended by the notifier.
grant select, insert on mail.bounces to portico_admin, portico_notifier;
grant select, insert, update on mail.bounced_addresses to portico_admin, portico_notifier;

-- A report names a delivery and nothing else. Whoever takes it in learns the agency, and goes on as that one alone.
create function mail.agency_of_delivery(delivery uuid) returns uuid
    language sql stable security definer set search_path = ''
    return (select agency_id from mail.deliveries where id = delivery);
revoke execute on function mail.agency_of_delivery from public;
grant execute on function mail.agency_of_delivery to portico_admin;
