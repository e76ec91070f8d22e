-- name: activity_of_login
-- The Client Action Log of one login, newest first, keyset.
select body from audit.events
where agency_id = $1 and portal_login_id = $2 and in_activity and id < $3 order by id desc limit $4;

-- name: activity_of_client
-- The same for all logins of a client.
select body from audit.events
where agency_id = $1 and client_id = $2 and in_activity and id < $3 order by id desc limit $4;

-- name: changes_of_client
-- The Face Sheet Change Log, newest first, between two ids (which are moments).
select body from audit.events
where agency_id = $1 and client_id = $2 and change_type is not null and id < $3 and id >= $4
    and ($5::text is null or change_type = $5) and ($6::text is null or actor_key = $6)
order by id desc limit $7;

-- name: changes_of_agency
-- The same across clients.
select body from audit.events
where agency_id = $1 and $2::uuid is null and change_type is not null and id < $3 and id >= $4
    and ($5::text is null or change_type = $5) and ($6::text is null or actor_key = $6)
order by id desc limit $7;

-- name: change_types
-- What the filter Change Type offers for a client.
select distinct change_type from audit.events where agency_id = $1 and client_id = $2 and change_type is not null order by 1;

-- name: changed_by
-- What the filter Changes By offers for a client; a person who was renamed appears by the latest name.
select distinct on (actor_key) actor_key, actor_name from audit.events
where agency_id = $1 and client_id = $2 and change_type is not null order by actor_key, id desc;
