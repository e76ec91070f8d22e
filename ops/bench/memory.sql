-- name: agencies
-- Those that events can be published for.
select id from accounts.agencies order by slug;
