-- Indexes for the Security Log of agency admins. Which types belong to it is declared with the events, and the program asks
-- for them by name; so a type that is declared later is found with all that was stored of it before.
-- `only`: nothing is built here. `portico migrate` builds them partition by partition afterwards, while events come in.

-- What happens every day and never belongs to that log is left out of its indexes. This must never be changed: indexes are
-- made of it. Another list is another function, and other indexes. As a case the planner takes it for what it is, and does
-- not guess for each word of the list, in each year, how often it is there.
create function audit.everyday(type text) returns boolean
    language sql immutable parallel safe
    return case when type = any ('{face_sheet.updated,face_sheet.viewed,client.created,client.updated,case.opened,case.updated,portal_refusal.changed,delivery.queued,delivery.accepted,delivery.deferred,delivery.failed,delivery.expired,delivery.superseded,delivery.cancelled}'::text[])
        then true else false end;

-- Whether a portal login did it, by the key of an actor; all of this as above.
create function audit.by_portal_login(actor_key text) returns boolean
    language sql immutable parallel safe
    return case when starts_with(actor_key, 'portal_login:') then true else false end;

-- The staff user whom an event is about, as its text names them. Not changed either.
create function audit.staff_subject(event text) returns uuid
    language sql immutable parallel safe
    return substring(event from '"staff_user_id":"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"')::uuid;

-- The newest of each type, which serves one type and all of them.
create index events_security on only audit.events (agency_id, type, id desc) where not audit.everyday(type);

-- What one person did. What a portal login did is in the index of the Client Action Log. Conditions that cost least stand
-- first, since every event that is stored is held against them.
create index events_security_by_actor on only audit.events (agency_id, actor_key, id desc)
    where not audit.by_portal_login(actor_key) and not audit.everyday(type);

-- What was done to one staff user. Events about clients and their logins are about no staff user.
create index events_security_of_staff on only audit.events (agency_id, audit.staff_subject(event), id desc)
    where client_id is null and portal_login_id is null and not audit.everyday(type);

-- The newest of them, for $1 and of the types $2, below $3 and not below $4, $5 at most. What the index is made of may not be
-- looked at before row-level security has had its say, which would make the index useless; so this asks for the agency
-- itself, and answers ids alone.
create function audit.security_of_staff(uuid, text[], uuid, uuid, integer) returns setof uuid
    language sql stable security definer set search_path = pg_catalog, audit as $$
    select e.id from audit.events e
    where e.agency_id = (select audit.current_agency()) and audit.staff_subject(e.event) = $1
        and not audit.everyday(e.type) and e.client_id is null and e.portal_login_id is null
        and e.type = any ((select $2::text[])::text[]) and e.id < $3 and e.id >= $4
    order by e.id desc limit $5
$$;
revoke all on function audit.security_of_staff(uuid, text[], uuid, uuid, integer) from public;
grant execute on function audit.security_of_staff(uuid, text[], uuid, uuid, integer) to portico_audit;
