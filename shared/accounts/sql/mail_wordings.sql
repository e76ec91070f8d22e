-- name: of_agency
-- Everything that an agency words itself, for the list of its admins.
select mail, language, subject, opening, closing from accounts.mail_wordings order by mail, language;

-- name: by_mail
-- What an agency words itself in one letter.
select subject, opening, closing from accounts.mail_wordings where mail = $1 and language = $2;

-- name: put
-- The words that count from now on.
insert into accounts.mail_wordings (agency_id, mail, language, subject, opening, closing, updated_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (agency_id, mail, language) do update
set subject = excluded.subject, opening = excluded.opening, closing = excluded.closing, updated_at = excluded.updated_at;
