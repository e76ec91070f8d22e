-- name: columns
-- What a row is made of, apart from what the database fills in by itself.
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type from pg_attribute a
where a.attrelid = 'audit.events'::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> 'stored_at'
order by a.attnum;

-- name: rows
-- The very rows that the product has stored, in the order in which they were published.
select {columns} from audit.events order by id;

-- name: insert
-- The limit: a batch in one statement, into the same table with the same indexes.
insert into audit.events ({columns}) select {columns} from unnest({arrays}) as e ({columns}) on conflict do nothing;

-- name: empty
-- Before a round: new files for everything that a round writes.
truncate audit.events, audit.chains, audit.dead_letters;

-- name: count
-- Whether everything arrived.
select count(*) from audit.events;
