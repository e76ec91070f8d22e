"""PostgreSQL: the pool with an agency in each transaction, named queries, migrations."""

from shared.db.pool import Connection, Pool, Unavailable
from shared.db.sql import named_queries

__all__ = ["Connection", "Pool", "Unavailable", "named_queries"]
