-- name: end_bounced
-- Nothing is sent to an address at which nothing arrives. Whoever is handing the e-mail over goes on.
update mail.deliveries d
set state = 'failed', finished_at = $2, sealed_secret = null, lease_until = null
from mail.bounced_addresses b
where d.id = $1 and d.finished_at is null and (d.lease_until is null or d.lease_until <= $2)
    and b.agency_id = d.agency_id and b.address = lower(d.recipient) and b.lifted_at is null
returning d.attempts;
