-- A mail server that takes no mail from us at all, or none from one agency's sender, is left alone for a while by every
-- replica, and operators see that. A row is there from the first refusal until a mail is accepted.
create table mail.channels (
    -- Whose mails wait; null: everybody's.
    agency_id uuid,
    since timestamptz not null,
    paused_until timestamptz not null,
    refusals integer not null,
    -- What the mail server said, or a sentence of ours about it. It was said before any recipient was named.
    code smallint,
    reply text not null,
    unique nulls not distinct (agency_id)
);
alter table mail.channels enable row level security;
alter table mail.channels force row level security;
-- Before it knows whose delivery a task names, the notifier serves all agencies; nobody else but operators looks here.
create policy across_agencies on mail.channels to portico_notifier using (true) with check (true);
grant select, insert, update, delete on mail.channels to portico_notifier;
do $$
begin
    execute format('create policy operators on mail.channels for select to %I using (true)', current_user);
end
$$;
