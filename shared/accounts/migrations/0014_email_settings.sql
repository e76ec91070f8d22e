-- What an agency says about its e-mails: who they are from, and through which mail server they go.

create table accounts.email_settings (
    agency_id uuid primary key references accounts.agencies (id),
    -- Null: agencies.sender, which operators set, or else the system's own address.
    sender text check (length(sender) between 3 and 254),
    -- Null: the agency's name.
    sender_name text check (length(sender_name) between 1 and 100),
    reply_to text check (length(reply_to) between 3 and 254),
    -- Null: the operator's mail server.
    host text check (length(host) between 1 and 253),
    port integer check (port between 1 and 65535),
    security text check (security in ('tls', 'starttls', 'plaintext')),
    username text check (length(username) between 1 and 254),
    -- In a box that only the notifier opens, and the name of the key that it was sealed for.
    sealed_password bytea,
    sealed_for text,
    version integer not null default 1,
    check (num_nonnulls(host, port, security) in (0, 3)),
    check (num_nonnulls(username, sealed_password, sealed_for) in (0, 3)),
    check (username is null or host is not null),
    -- A password never travels in clear.
    check (username is null or security <> 'plaintext')
);

alter table accounts.email_settings enable row level security;
alter table accounts.email_settings force row level security;
create policy one_agency on accounts.email_settings to portico_admin
    using (agency_id = (select accounts.current_agency())) with check (agency_id = (select accounts.current_agency()));
create policy across_agencies on accounts.email_settings for select to portico_notifier using (true);
create policy seals_anew on accounts.email_settings for update to portico_notifier using (true) with check (true);

-- The admin service puts a password in and never reads it back.
grant select (agency_id, sender, sender_name, reply_to, host, port, security, username, version)
    on accounts.email_settings to portico_admin;
grant insert, update on accounts.email_settings to portico_admin;
grant select, update (sealed_password, sealed_for) on accounts.email_settings to portico_notifier;

-- `portico keys` asks which key still has something to open.
do $$
begin
    execute format('create policy operators on accounts.email_settings for select to %I using (true)', current_user);
end
$$;
