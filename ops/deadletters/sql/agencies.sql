-- name: slugs
-- How people call these agencies.
select id, slug from accounts.agencies where id = any($1::uuid[]);
