-- How many sign-ins may go wrong. They are counted for each person, and apart from that for each browser on which the
-- person has signed in before: whoever types wrong passwords elsewhere cannot lock the owner out there.

create table accounts.sign_in_budgets (
    agency_id uuid not null references accounts.agencies (id),
    kind text not null check (kind in ('staff', 'portal')),
    -- The staff user or the portal login, by kind. Neither is ever deleted.
    person_id uuid not null,
    -- SHA-256 of the browser's cookie; null for all browsers together that are not known.
    device bytea,
    -- Since the last lock or the last sign-in that went well.
    failures smallint not null default 0,
    last_failure_at timestamptz,
    -- How often in a row it came to a lock.
    locks smallint not null default 0,
    locked_until timestamptz,
    unique nulls not distinct (kind, person_id, device)
);

alter table accounts.sign_in_budgets enable row level security;
alter table accounts.sign_in_budgets force row level security;
create policy one_agency on accounts.sign_in_budgets to portico_admin, portico_portal
    using (agency_id = (select accounts.current_agency())) with check (agency_id = (select accounts.current_agency()));
create policy portal_kind on accounts.sign_in_budgets as restrictive to portico_portal
    using (kind = 'portal') with check (kind = 'portal');
grant select, insert, update on accounts.sign_in_budgets to portico_admin, portico_portal;

-- Whoever is signed in and guesses the current password, to change it, has as many tries in a session.
alter table accounts.sessions add column wrong_passwords smallint not null default 0;

-- Since when the owner has not signed in with an e-mail address that staff have put in: whoever gave staff a wrong one must
-- not get into the login with it right away.
alter table accounts.portal_logins add column email_unconfirmed_since timestamptz;
grant update (email_unconfirmed_since) on accounts.portal_logins to portico_portal;
