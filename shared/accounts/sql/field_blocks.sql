-- name: blocks
-- An agency's blocks in the order of the page, retired ones as well: old log entries and values name them.
select id, key, label, position, retired from accounts.field_blocks order by position, key;

-- name: entries
-- The entries of all blocks.
select block_id, key, label, kind, choices, position, retired from accounts.field_entries order by position, key;

-- name: insert_block
-- A new block.
insert into accounts.field_blocks (id, agency_id, key, label, position) values ($1, $2, $3, $4, $5);

-- name: insert_entry
-- A new entry of a block.
insert into accounts.field_entries (block_id, agency_id, key, label, kind, choices, position)
values ($1, $2, $3, $4, $5, $6, $7);
