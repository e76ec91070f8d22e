-- name: activity_of_login
-- The Client Action Log of one login, newest first, keyset.
select {columns} from audit.events
where agency_id = $1 and portal_login_id = $2 and in_activity and id < $3 order by id desc limit $4;

-- name: activity_of_client
-- The same for all logins of a client.
select {columns} from audit.events
where agency_id = $1 and client_id = $2 and in_activity and id < $3 order by id desc limit $4;

-- name: changes_of_client
-- The Face Sheet Change Log, newest first, between two ids (which are moments).
select {columns} from audit.events
where agency_id = $1 and client_id = $2 and change_type is not null and id < $3 and id >= $4
    and ($5::text is null or change_type = $5) and ($6::text is null or actor_key = $6)
order by id desc limit $7;

-- name: changes_of_agency
-- The same across clients. The version opens the indexes that are kept for this query alone.
select {columns} from audit.events
where agency_id = $1 and $2::uuid is null and change_type is not null and version >= 0 and id < $3 and id >= $4
    and ($5::text is null or change_type = $5) and ($6::text is null or actor_key = $6)
order by id desc limit $7;

-- name: change_types
-- What the filter Change Type offers for a client: from one type to the next, not through all of its events.
with recursive found as (
    select min(change_type) as change_type from audit.events
    where agency_id = $1 and client_id = $2 and change_type is not null
    union all
    select (select min(e.change_type) from audit.events e
        where e.agency_id = $1 and e.client_id = $2 and e.change_type > f.change_type)
    from found f where f.change_type is not null
)
select change_type from found where change_type is not null;

-- name: changed_by
-- What the filter Changes By offers for a client, the same way; a person who was renamed appears by the latest name.
with recursive found as (
    select min(actor_key) as actor_key from audit.events
    where agency_id = $1 and client_id = $2 and change_type is not null
    union all
    select (select min(e.actor_key) from audit.events e
        where e.agency_id = $1 and e.client_id = $2 and e.change_type is not null and e.actor_key > f.actor_key)
    from found f where f.actor_key is not null
)
select f.actor_key, latest.actor_name from found f cross join lateral (
    select e.actor_name from audit.events e
    where e.agency_id = $1 and e.client_id = $2 and e.change_type is not null and e.actor_key = f.actor_key
        and e.actor_name is not null
    order by e.id desc limit 1
) latest where f.actor_key is not null;
