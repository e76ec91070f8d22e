"""The queries of the verification."""

from __future__ import annotations

from typing import Final

from shared.db import named_queries

_FILE: Final = named_queries(__package__, "sql/verify.sql")
SQL: Final = {name: query.replace("{row}", _FILE["row"]) for name, query in _FILE.items()}
