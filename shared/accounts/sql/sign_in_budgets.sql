-- name: known
-- Whether the person has signed in on this browser before.
select exists (select from accounts.sign_in_budgets where kind = $1 and person_id = $2 and device = $3);

-- name: known_to_anybody
-- Whether anybody of this kind has signed in on this browser before.
select exists (select from accounts.sign_in_budgets where kind = $1 and device = $2);

-- name: lock
-- The budget that a sign-in counts in: the browser's own if it is known, else that of all others, if there is one yet.
select device, failures, last_failure_at, locks, locked_until from accounts.sign_in_budgets
where kind = $1 and person_id = $2 and (device is null or device = $3)
order by device nulls last limit 1 for update;

-- name: put
-- The budget as it is now.
insert into accounts.sign_in_budgets (agency_id, kind, person_id, device, failures, last_failure_at, locks, locked_until)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (kind, person_id, device) do update set failures = excluded.failures,
    last_failure_at = excluded.last_failure_at, locks = excluded.locks, locked_until = excluded.locked_until;

-- name: renew
-- All of a person's budgets are whole again; answers until when the latest lock would have lasted.
with before as (
    select locked_until from accounts.sign_in_budgets
    where kind = $1 and person_id = $2 and locked_until > $3 order by locked_until desc limit 1
), renewed as (
    update accounts.sign_in_budgets set failures = 0, locks = 0, locked_until = null
    where kind = $1 and person_id = $2 and (failures > 0 or locks > 0 or locked_until is not null)
)
select locked_until from before;

-- name: any_known
-- Whether the person has signed in on a browser before, whichever it was.
select exists (select from accounts.sign_in_budgets where kind = $1 and person_id = $2 and device is not null);
