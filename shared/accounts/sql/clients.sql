-- name: by_id
-- A client's own fields.
select id, client_number, first_name, last_name, date_of_birth, portal_refused, dynamic_fields, version, updated_at
from accounts.clients where id = $1;

-- name: names
-- Whose record it is: all that the portal may know of a client.
select id, first_name, last_name from accounts.clients where id = $1;

-- name: lock
-- The same, and nobody else changes it until this transaction ends.
select id, client_number, first_name, last_name, date_of_birth, portal_refused, dynamic_fields, version, updated_at
from accounts.clients where id = $1 for update;

-- name: search
-- Clients that have, for each word asked for, a term that begins with it; by name, keyset.
with asked as (
    select q.low, q.high, q.n from unnest($1::text[], $2::text[]) with ordinality as q (low, high, n)
), hits as (
    select t.client_id
    from asked a join accounts.client_terms t on t.term >= a.low and t.term < a.high
    group by t.client_id having count(distinct a.n) = cardinality($1::text[])
)
select c.id, c.client_number, c.first_name, c.last_name, c.date_of_birth, c.portal_refused,
    c.first_name_folded, c.last_name_folded,
    array(select k.case_number from accounts.cases k where k.client_id = c.id order by k.opened_on desc nulls last, k.id desc) as case_numbers
from hits h join accounts.clients c on c.id = h.client_id
where $3::text is null or (c.last_name_folded, c.first_name_folded, c.id) > ($3::text collate "C", $4::text collate "C", $5::uuid)
order by c.last_name_folded, c.first_name_folded, c.id
limit $6;

-- name: insert
-- A new client; nothing when the client number is taken.
insert into accounts.clients (id, agency_id, client_number, first_name, last_name, first_name_folded, last_name_folded,
    date_of_birth, portal_refused, portal_refused_at, dynamic_fields, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
on conflict (agency_id, client_number) do nothing returning id;

-- name: update
-- The client's own fields as they are now.
update accounts.clients set first_name = $2, last_name = $3, first_name_folded = $4, last_name_folded = $5,
    date_of_birth = $6, portal_refused = $7,
    portal_refused_at = case when $7 and not portal_refused then $9::timestamptz when $7 then portal_refused_at end,
    dynamic_fields = $8, version = version + 1, updated_at = $9
where id = $1 returning version;

-- name: next_number
-- The next client number that Portico assigns.
insert into accounts.client_numbers (agency_id, last_assigned) values ($1, $2)
on conflict (agency_id) do update set last_assigned = client_numbers.last_assigned + 1
returning last_assigned;

-- name: forget_terms
-- Before a client's search terms are written anew.
delete from accounts.client_terms where client_id = $1;

-- name: insert_terms
-- What a client is found by.
insert into accounts.client_terms (agency_id, client_id, term) select $1, $2, unnest($3::text[]) on conflict do nothing;

-- name: cases_of
-- A client's cases, the newest first.
select id, client_id, case_number, program, opened_on, closed_on from accounts.cases
where client_id = $1 order by opened_on desc nulls last, id desc;

-- name: case_by_id
-- One case.
select id, client_id, case_number, program, opened_on, closed_on from accounts.cases where id = $1;

-- name: insert_case
-- A new case; nothing when the case number is taken.
insert into accounts.cases (id, agency_id, client_id, case_number, program, opened_on, closed_on)
values ($1, $2, $3, $4, $5, $6, $7) on conflict (agency_id, case_number) do nothing returning id;
