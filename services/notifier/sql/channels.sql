-- name: pause
-- Longer with each refusal. Whoever was refused while others had noted it already, or meanwhile, makes it no longer.
insert into mail.channels as c (agency_id, since, paused_until, refusals, code, reply)
values ($1, $2::timestamptz, $2::timestamptz + $3::interval, 1, $5, $6)
on conflict (agency_id) do update set
    code = excluded.code, reply = excluded.reply,
    refusals = c.refusals + case when c.paused_until <= $2 then 1 else 0 end,
    paused_until = case
        when c.paused_until <= $2 then $2::timestamptz + least($4::interval, $3::interval * 2 ^ least(c.refusals, 20))
        else c.paused_until
    end
returning paused_until;

-- name: open
-- A mail of this agency was accepted: by its own server, which says nothing of the operator's, or by that one.
delete from mail.channels
where agency_id = $1
    or agency_id is null
    and not exists (select from accounts.email_settings e where e.agency_id = $1 and e.host is not null);

-- name: forget
-- An agency that writes no more mails says nothing of its channel either.
delete from mail.channels where paused_until <= $1;

-- name: refusing
-- For the figures.
select count(*) from mail.channels;
