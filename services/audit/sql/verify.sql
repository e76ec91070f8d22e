-- name: one_moment
-- What follows in this transaction is read as of one moment.
set transaction isolation level repeatable read, read only;

-- name: counted
-- About how many events there are to walk through, for the progress bar only.
select coalesce(sum(seq - retired_seq), 0)::bigint from audit.chains where $1::uuid is null or agency_id = $1;

-- name: chains
-- Which chains there are.
select agency_id, year from audit.chains where $1::uuid is null or agency_id = $1;

-- name: sealed_chains
-- Which chains there are seals of: from one to the next, not through all of their seals.
with recursive found as (
    (select agency_id, year from audit.seals where $1::uuid is null or agency_id = $1 order by agency_id, year limit 1)
    union all
    select next.agency_id, next.year from found f cross join lateral (
        select s.agency_id, s.year from audit.seals s
        where (s.agency_id, s.year) > (f.agency_id, f.year) and ($1::uuid is null or s.agency_id = $1)
        order by s.agency_id, s.year limit 1
    ) next
)
select agency_id, year from found;

-- name: next_id
-- The first event from an id on, for going from year to year.
select id from audit.events where id >= $1 order by id limit 1;

-- name: agencies_between
-- Whose events there are between two ids: from one agency to the next, not through all of their events.
with recursive found as (
    (select agency_id from audit.events
        where id between $1 and $2 and ($3::uuid is null or agency_id = $3) order by agency_id limit 1)
    union all
    select next.agency_id from found f cross join lateral (
        select e.agency_id from audit.events e
        where e.id between $1 and $2 and e.agency_id > f.agency_id and ($3::uuid is null or e.agency_id = $3)
        order by e.agency_id limit 1
    ) next
)
select agency_id from found;

-- name: end_of_chain
-- Where a chain ends by its row.
select seq, link, previous_year, previous_seq, previous_link, unchained, retired_seq, retired_link
from audit.chains where agency_id = $1 and year = $2;

-- name: last_number
-- The highest number that an event carries in the chain.
select seq from audit.events where agency_id = $1 and id between $2 and $3 and seq is not null order by seq desc limit 1;

-- name: next_number
-- The lowest number from one on, for going on after a gap.
select seq from audit.events where agency_id = $1 and id between $2 and $3 and seq >= $4 order by seq limit 1;

-- name: lowest_number
-- The event with the lowest number.
select id, seq from audit.events where agency_id = $1 and id between $2 and $3 and seq is not null order by seq, id limit 1;

-- name: beside_the_chain
-- How many events have no number.
select count(*) from audit.events where agency_id = $1 and id between $2 and $3 and seq is null;

-- name: first_beside_the_chain
-- The first event without a number that is not one of the time before there were chains.
select id from audit.events
where agency_id = $1 and id between $2 and $3 and seq is null
    and (event is not null or salt is not null or link is not null or erased_digest is not null)
order by id limit 1;

-- name: seals
-- The seals of a chain.
select agency_id, year, seq, link, unchained, previous_year, previous_seq, previous_link, sealed_at, kid, signature
from audit.seals where agency_id = $1 and year = $2 order by seq;

-- name: id_at
-- Which event carries a number.
select id from audit.events where agency_id = $1 and id between $2 and $3 and seq = $4 order by id limit 1;

-- name: chain
-- Events of a chain by number, as digests are made of them (services/audit/chain.py): facts, personal details, or the
-- digest that stands for them. Facts are null where a row is neither whole nor erased. The driver stores the first and
-- the last moment that Python knows as infinite ones; moments that no event can have count as the lowest number.
select seq, {row} from audit.events
where agency_id = $1 and id between $2 and $3 and seq >= $4 and seq < $5 order by seq;

-- name: numbered
-- The same with their ids, for whoever looks into what is wrong.
select id, seq, {row} from audit.events
where agency_id = $1 and id between $2 and $3 and seq >= $4 and seq < $5 order by seq, id;

-- name: unnumbered
-- The same of events without a number.
select id, seq, {row} from audit.events where agency_id = $1 and id between $2 and $3 and seq is null order by id;

-- name: row
-- What a row of a chain is made of.
case when body is null and (
    (num_nulls(event, salt, actor_name) = 0 and erased_digest is null and octet_length(salt) = 16)
    or (num_nonnulls(event, salt, actor_name) = 0 and octet_length(erased_digest) = 32)
) then
    uuid_send(id) || uuid_send(agency_id) || int2send(version)
    || int8send(case when occurred_at >= '0001-01-01 00:00:00+00' and occurred_at < '10000-01-01 00:00:00+00'
        then (extract(epoch from occurred_at) * 1000000)::bigint
        when occurred_at = '-infinity' then -62135596800000000 when occurred_at = 'infinity' then 253402300799999999
        else -9223372036854775808 end)
    || boolsend(in_activity)
    || coalesce('\x01'::bytea || uuid_send(client_id), '\x00'::bytea)
    || coalesce('\x01'::bytea || uuid_send(case_id), '\x00'::bytea)
    || coalesce('\x01'::bytea || uuid_send(portal_login_id), '\x00'::bytea)
    || int4send(octet_length(type)) || convert_to(type, 'UTF8')
    || int4send(octet_length(actor_key)) || convert_to(actor_key, 'UTF8')
    || coalesce(int4send(octet_length(change_type)) || convert_to(change_type, 'UTF8'), int4send(-1))
end as facts,
salt || convert_to(actor_name, 'UTF8') || '\x00'::bytea || convert_to(event, 'UTF8') as personal,
erased_digest, link;
