-- name: missing
-- Partitions that lack an index of their table, with what to build; all names as SQL takes them.
select quote_ident(left(p.relname || '_' || c.relname, 63)) as name, quote_ident(n.nspname) as schema,
    i.indexrelid::regclass::text as parent, p.oid::regclass::text as partition,
    -- After the first USING comes all that an index consists of, wherever it is.
    regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING ', '') as definition
from pg_index i
join pg_class c on c.oid = i.indexrelid and c.relkind = 'I'
join pg_namespace n on n.oid = c.relnamespace
join pg_inherits h on h.inhparent = i.indrelid
join pg_class p on p.oid = h.inhrelid
where not i.indisvalid and not exists (
    select from pg_inherits a join pg_index x on x.indexrelid = a.inhrelid
    where a.inhparent = i.indexrelid and x.indrelid = p.oid
)
order by c.relname, p.relname;
