"""Indexes of partitioned tables, built on a live system: partition by partition, while rows come in.

A migration is one transaction, and an index that is built in one keeps writers waiting until it is there. So a
migration makes the index of the partitioned table alone (``create index ... on only``), which takes a moment, and what
is missing is built here, outside any transaction. Until then queries are as right as ever, and slower.
"""

from __future__ import annotations

from typing import Final

from shared.db.pool import Connection
from shared.db.sql import named_queries

SQL: Final = named_queries(__package__, "partition_indexes.sql")


async def build_missing(conn: Connection) -> list[str]:
    """Build and attach what the partitions lack, and answer the names of the new indexes.

    ``conn`` is the owner's, with no transaction open. May be interrupted at any moment and run again.
    """
    built = []
    for missing in await conn.fetch(SQL["missing"]):
        name, schema, parent = missing["name"], missing["schema"], missing["parent"]
        # What an interrupted run has left: it is not valid, or would be by now.
        await conn.execute(f"drop index concurrently if exists {schema}.{name}")
        await conn.execute(f"create index concurrently {name} on {missing['partition']} using {missing['definition']}")
        await conn.execute(f"alter index {parent} attach partition {schema}.{name}")
        built.append(missing["name"])
    return built
