-- The language of a login's e-mails; null is the agency's own, as its locale says.
alter table accounts.portal_logins add column language text check (language ~ '^[a-z]{2,3}$');

-- What agencies word themselves in the e-mails to their clients; an empty text leaves the words that everybody has.
create table accounts.mail_wordings (
    agency_id uuid not null references accounts.agencies (id),
    -- The folder of templates that it is for.
    mail text not null check (mail ~ '^[a-z][a-z0-9_]{0,39}$'),
    language text not null check (language ~ '^[a-z]{2,3}$'),
    subject text not null default '' check (length(subject) <= 100),
    opening text not null default '' check (length(opening) <= 600),
    closing text not null default '' check (length(closing) <= 600),
    updated_at timestamptz not null,
    primary key (agency_id, mail, language)
);
alter table accounts.mail_wordings enable row level security;
alter table accounts.mail_wordings force row level security;
create policy one_agency on accounts.mail_wordings to portico_admin
    using (agency_id = (select accounts.current_agency()))
    with check (agency_id = (select accounts.current_agency()));
-- The notifier takes a delivery before it goes on as its agency.
create policy across_agencies on accounts.mail_wordings for select to portico_notifier using (true);
grant select, insert on accounts.mail_wordings to portico_admin;
grant update (subject, opening, closing, updated_at) on accounts.mail_wordings to portico_admin;
grant select (agency_id, mail, language, subject, opening, closing) on accounts.mail_wordings to portico_notifier;
