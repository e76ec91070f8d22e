-- What became of an e-mail after a mail server had taken it: its reader got in with what it carried, or chose a password.

create table mail.delivery_marks (
    delivery_id uuid not null references mail.deliveries (id),
    agency_id uuid not null,
    step text not null check (step in ('opened', 'password_chosen')),
    -- The first time.
    at timestamptz not null,
    primary key (delivery_id, step)
);

alter table mail.delivery_marks enable row level security;
alter table mail.delivery_marks force row level security;
create policy one_agency on mail.delivery_marks to portico_admin, portico_portal
    using (agency_id = (select accounts.current_agency()))
    -- Of an e-mail that the writer may see, too: the portal marks none of staff.
    with check (agency_id = (select accounts.current_agency())
        and exists (select from mail.deliveries d where d.id = delivery_id and d.agency_id = delivery_marks.agency_id));
grant select, insert on mail.delivery_marks to portico_admin;
-- The portal writes them and has no use for them.
grant insert on mail.delivery_marks to portico_portal;

-- Whether there would be marks: nobody kept any of the e-mails from before.
alter table mail.deliveries add column followed boolean not null default false;
alter table mail.deliveries alter column followed set default true;
grant select (followed) on mail.deliveries to portico_admin;

-- Active logins of whose present address the last thing that is known is that an e-mail was given up.
create view mail.failing with (security_invoker = true) as
    select d.id, d.agency_id, d.portal_login_id, d.finished_at as since
    from mail.deliveries d join accounts.portal_logins l on l.id = d.portal_login_id
    where d.state = 'failed' and d.portal_login_id is not null and l.active and l.email = d.recipient
        and not exists (
            select from mail.deliveries n
            where n.portal_login_id = d.portal_login_id and n.id > d.id and n.recipient = d.recipient
                and n.state in ('queued', 'sending', 'accepted', 'failed')
        );
grant select on mail.failing to portico_admin;
