-- name: existing_clients
-- Those of the batch that the agency has already.
select id, client_number from accounts.clients where client_number = any($1::text[]);

-- name: existing_cases
-- Those case numbers of the batch that are taken, and by whom.
select k.case_number, c.client_number from accounts.cases k join accounts.clients c on c.id = k.client_id
where k.case_number = any($1::text[]);

-- name: insert_client
-- A client of the roster.
insert into accounts.clients (id, agency_id, client_number, first_name, last_name, first_name_folded, last_name_folded,
    date_of_birth, portal_refused, portal_refused_at, dynamic_fields, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12);

-- name: insert_case
-- A case of the roster.
insert into accounts.cases (id, agency_id, client_id, case_number, program, opened_on, closed_on)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: insert_terms
-- What the batch's clients are found by.
insert into accounts.client_terms (agency_id, client_id, term)
select $1, t.client_id, t.term from unnest($2::uuid[], $3::text[]) as t (client_id, term) on conflict do nothing;
