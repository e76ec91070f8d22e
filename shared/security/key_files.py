"""Keys that change while a process runs: their files are read again every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class KeyFile:
    """The file of one setting. ``take`` gets what is new in it, and raises ValueError for what is no key.

    ``held`` is what the process has now. Without a path (the setting came by itself) nothing ever changes.
    """

    setting: str
    path: Path | None
    held: str = field(repr=False)
    take: Callable[[str], None]
    _refused: str | None = field(default=None, init=False, repr=False)

    async def look(self) -> None:
        """Take what is new. A file that is away or damaged changes nothing: the process goes on with what it has."""
        if self.path is None:
            return
        try:
            found = (await asyncio.to_thread(self.path.read_text, encoding="utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(type(error).__name__, "it can't be read")
            return
        if found == self.held:
            self._refused = None
            return
        try:
            self.take(found)
        except ValueError:
            self._refuse(found, "it holds what is no key")
            return
        self.held, self._refused = found, None
        log.info("keys read again", setting=self.setting)

    def _refuse(self, what: str, reason: str) -> None:
        # Once for each state of the file, and not every two seconds.
        if what != self._refused:
            log.warning("key file passed over", setting=self.setting, reason=reason)
        self._refused = what
