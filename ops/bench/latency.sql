-- name: visible
-- Which of these events a reader would see now.
select id from audit.events where id = any($1::uuid[]);
