-- name: stored
-- How much has arrived.
select count(*) from audit.events;
