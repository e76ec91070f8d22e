"""Queries live in .sql files, each under a name and one line that says why it is there.

A file is a sequence of blocks::

    -- name: session_by_id
    -- The session a reference names, with what it needs to be judged.
    select id, ended_at from accounts.sessions where id = $1;
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources

_NAME = re.compile(r"^--\s*name:\s*(?P<name>[a-z][a-z0-9_]*)\s*$", re.MULTILINE)


class UnknownQuery(KeyError):
    """The file has no query of that name."""


class Queries(Mapping[str, str]):
    """The queries of one file by name."""

    def __init__(self, source: str, texts: dict[str, str]) -> None:
        self._source = source
        self._texts = texts

    def __getitem__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise UnknownQuery(f"{self._source} has no query named {name}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def named_queries(package: str, path: str) -> Queries:
    """Read ``path`` inside ``package``. Raises ValueError when a name stands twice or a query is empty."""
    text = resources.files(package).joinpath(path).read_text(encoding="utf-8")
    parts = _NAME.split(text)
    texts: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        query = body.strip().rstrip(";")
        if name in texts or not query:
            raise ValueError(f"{package}/{path}: query {name} is empty or stands twice")
        texts[name] = query
    return Queries(f"{package}/{path}", texts)
