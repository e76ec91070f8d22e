-- name: slugs
-- What agencies are called at the command line.
select id, slug from accounts.agencies order by slug;

-- name: client_of_number
-- The client that a number names, at the transaction's agency.
select id from accounts.clients where client_number = $1;
