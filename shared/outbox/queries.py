"""The outbox's queries for one of its tables. A table's name can be no parameter, so it is put in here, once."""

from __future__ import annotations

from collections.abc import Mapping

from shared.db import named_queries
from shared.outbox.work import OutboxTable

_QUERIES = named_queries(__package__, "sql/outbox.sql")
_TABLES: tuple[OutboxTable, ...] = ("accounts.outbox", "mail.outbox")
_BY_TABLE: Mapping[OutboxTable, Mapping[str, str]] = {
    table: {name: text.replace("{table}", table) for name, text in _QUERIES.items()} for table in _TABLES
}


def queries_of(table: OutboxTable) -> Mapping[str, str]:
    """The queries by name."""
    return _BY_TABLE[table]
