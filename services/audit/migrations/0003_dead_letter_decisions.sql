-- Who decided about a dead letter and why, and one open letter for an event, whichever consumer keeps it first.
alter table audit.dead_letters
    -- account@host of the command line; null when nobody decided yet, and for decisions of the time before.
    add column decided_by text,
    add column decision_reason text;

-- Two consumers that met the same event at once may each have kept it: the earlier letter is the one to decide about.
update audit.dead_letters d
set discarded_at = now(), decided_by = 'migration', decision_reason = 'An earlier letter holds the same event.'
where replayed_at is null and discarded_at is null and exists (
    select from audit.dead_letters e
    where e.event_id = d.event_id and e.id < d.id and e.replayed_at is null and e.discarded_at is null
);

create unique index dead_letters_open_event on audit.dead_letters (event_id)
    where replayed_at is null and discarded_at is null;
create index dead_letters_open on audit.dead_letters (id) where replayed_at is null and discarded_at is null;

-- Which of these events are stored, whatever their agency: it tells ids, which the asker knows already, and nothing else.
create function audit.stored(ids uuid[]) returns setof uuid
    language sql stable security definer set search_path = pg_catalog, audit as $$
    select e.id from audit.events e where e.id = any(ids)
$$;
revoke all on function audit.stored(uuid[]) from public;
grant execute on function audit.stored(uuid[]) to portico_audit;
