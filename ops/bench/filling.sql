-- name: drop_partition
-- The empty ones that the migrations have made.
drop table audit.{table};

-- name: partitions
-- Those for years; events of other years go to the default partition, which stays.
select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'audit.events'::regclass and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' order by c.relname;

-- name: new_table
-- As the service makes a partition, but loaded before it has indexes.
create table audit.{table} (like audit.events including all excluding indexes);

-- name: attach
-- It gets the indexes of the parent now, all at once.
alter table audit.events attach partition audit.{table} for values from ('{low}') to ('{high}');

-- name: load
-- Events n from $1 to $2 of $3 and on, $4 apart. Each $5th is of the busy client (0), each $6th of the quiet one (1), the
-- others of $7 more clients in twenty agencies; what and by whom is drawn by hashes, the same in every store.
insert into audit.{table} (id, agency_id, type, version, occurred_at, actor_key, actor_name, client_id, portal_login_id,
    in_activity, change_type, event, salt, seq, link)
select e.id, e.agency, k.type, 1, e.moment, a.key, a.name, e.client, e.login, k.in_activity, k.change_type,
    format('{{"id":"%s","type":"%s","version":1,"agency_id":"%s","occurred_at":"%s","actor":{{"kind":"%s","id":"%s",'
        '"username":"%s","name":"%s","session_id":"%s","address":"203.0.113.7"}},"subject":{{"client_id":"%s",'
        '"case_id":null,"portal_login_id":"%s","staff_user_id":null}},"request_id":"%s","payload":%s}}',
        e.id, k.type, e.agency, to_char(e.moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        split_part(a.key, ':', 1), split_part(a.key, ':', 2), a.name, a.name, e.digest::uuid, e.client, e.login,
        e.digest, k.payload),
    uuid_send(e.digest::uuid), e.n, sha256(uuid_send(e.id))
from (
    select d.*, md5('agency' || d.number % 20)::uuid as agency, md5('client' || d.number)::uuid as client,
        md5('login' || d.number)::uuid as login,
        (lpad(to_hex((extract(epoch from d.moment) * 1000)::bigint), 12, '0') || '7' || substr(d.digest, 1, 3) || '8'
            || substr(d.digest, 4, 15))::uuid as id
    from (
        select n, md5(n::text) as digest, $3::timestamptz + n * $4::interval as moment,
            hashint8extended(n, 1) & 1048575 as what, hashint8extended(n, 2) & 1048575 as who,
            case when n % $5::bigint = 0 then 0 when n % $6::bigint = 3 then 1
                else 2 + (hashint8extended(n, 3) & 1073741823) % $7::bigint end as number
        from generate_series($1::bigint, $2::bigint) as n
    ) d
) e
join lateral (
    select * from (values
        (0, 30, 'portal_session.started', true, null, '{{"username":"cmalek"}}'),
        (30, 55, 'portal_session.ended', true, null, '{{"username":"cmalek","reason":"idle"}}'),
        (55, 65, 'portal_login.updated', true, 'Portal Login', '{{"username":"cmalek","changes":[{{"field":"Active","old":"Yes","new":"No"}}],"password_updated":true}}'),
        (65, 85, 'face_sheet.updated', false, 'Dynamic Fields', '{{"blocks":[{{"block":"current_residence","label":"Current Residence","entries":[{{"field":"Street","old":"12 Elm St","new":"4 River Road"}},{{"field":"CurrentHomeless","old":"Yes","new":"No"}}]}}]}}'),
        (85, 93, 'face_sheet.viewed', false, null, '{{}}'),
        (93, 97, 'case.updated', false, 'Case', '{{"case_number":"C26-09678","changes":[{{"field":"Program","old":"Residential","new":"Day"}}]}}'),
        (97, 98, 'portal_refusal.changed', false, 'Portal Refusal', '{{"refused":true}}'),
        (98, 100, 'portal_password.changed', true, null, '{{"username":"cmalek","how":"own"}}')
    ) as v (low, high, type, in_activity, change_type, payload) where e.what % 100 >= v.low and e.what % 100 < v.high
) k on true
join lateral (
    select case when k.change_type is null and k.in_activity then 'portal_login:' || e.login
            when e.who % 500 = 0 then 'staff:' || md5('rare' || e.agency)::uuid
            else 'staff:' || md5('staff' || e.who % 10 || e.agency)::uuid end as key,
        case when k.change_type is null and k.in_activity then 'cmalek' else 'Staff Member ' || e.who % 10 end as name
) a on true;

-- name: some_event
-- The client's event that lies so deep.
select id from audit.events where agency_id = $1 and client_id = $2 order by id desc offset $3 limit 1;
