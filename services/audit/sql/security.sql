-- name: security_of_agency
-- The Security Log, newest first, between two ids (which are moments), of the types asked for: the newest of each type
-- from one index, and of those the newest. `everyday` opens the indexes that are kept for this log alone.
select {columns} from audit.events
where agency_id = $1 and id = any(array(
    select newest.id from unnest($2::text[]) as t (type) cross join lateral (
        select e.id from audit.events e
        where e.agency_id = $1 and e.type = t.type and not audit.everyday(e.type) and e.id < $3 and e.id >= $4
        order by e.id desc limit $5
    ) newest order by newest.id desc limit $5
)) order by id desc;

-- name: security_by_actor
-- What staff, the system or an operator did. The types are a query of their own, for the planner would look up for each of
-- them, in each year, how often it is there.
select {columns} from audit.events
where agency_id = $1 and actor_key = $6 and not audit.everyday(type) and not audit.by_portal_login(actor_key)
    and type = any((select $2::text[])::text[]) and id < $3 and id >= $4
order by id desc limit $5;

-- name: security_of_staff
-- What was done to a staff user.
select {columns} from audit.events
where agency_id = $1 and id = any(array(select audit.security_of_staff($6, $2::text[], $3, $4, $5)))
order by id desc;

-- name: security_of_login
-- What a portal login did, and what was done to it.
select {columns} from audit.events
where agency_id = $1 and portal_login_id = $6 and in_activity and type = any((select $2::text[])::text[]) and id < $3 and id >= $4
order by id desc limit $5;
