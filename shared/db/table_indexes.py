"""Indexes of tables that have rows already, built on a live system: after the migrations, while rows come in.

A migration is one transaction, and an index that is built in one keeps writers waiting until it is there. So such
indexes stand in the file ``indexes.sql`` beside a package's migrations, each under its own name. Until an index is
there queries are as right as ever, and slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

from shared.db.pool import Connection
from shared.db.sql import named_queries

FILE: Final = "indexes.sql"

_FOUND: Final = """
select i.indexrelid::regclass::text as name, i.indisvalid as valid
from pg_index i join pg_class c on c.oid = i.indexrelid where c.relname = $1
"""


async def build_missing(conn: Connection, packages: Sequence[str]) -> list[str]:
    """Build what is not there yet, and answer the names of the new indexes.

    ``conn`` is the owner's, with no transaction open. May be interrupted at any moment and run again.
    """
    built = []
    for package in packages:
        if not resources.files(package).joinpath(FILE).is_file():
            continue
        for name, statement in named_queries(package, FILE).items():
            found = await conn.fetchrow(_FOUND, name)
            if found is not None and found["valid"]:
                continue
            if found is not None:
                # What an interrupted run has left is kept up to date, and never used.
                await conn.execute(f"drop index concurrently {found['name']}")
            await conn.execute(statement)
            built.append(name)
    return built
