-- name: count
-- What became of the deliveries.
select count(*) from mail.deliveries where state = 'accepted';
