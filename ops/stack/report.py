"""What `portico up` tells: progress, the table at the end, and the ready file for programs."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.stack.files import write_private

_WIDTH_WITHOUT_TERMINAL = 110


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on in silence: the reader has left, the stack stays."""
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, self.file.fileno())
        os.close(silence)


class Teller:
    """Writes lines to the console. A console that has gone away must not keep anything from being stopped."""

    def __init__(self, console: Console | None = None) -> None:
        if console is None:
            console = _Console(highlight=False)
            if not console.is_terminal:
                console.width = _WIDTH_WITHOUT_TERMINAL
        self._console = console

    def say(self, line: str) -> None:
        """One line of progress; what is in it is never taken for markup."""
        self._print(Text(line))

    def warn(self, line: str) -> None:
        """One line about something that went wrong."""
        self._print(Text(line, style="yellow"))

    def show(self, table: Table) -> None:
        """A table."""
        self._print(table)

    def _print(self, what: Text | Table) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._console.print(what, soft_wrap=isinstance(what, Text))
            self._console.file.flush()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the running stack is found."""

    admin_url: str
    portal_url: str
    audit_url: str
    mailbox_url: str | None
    smtp: str


class ReadyFile:
    """The JSON file that says that the stack is ready, there exactly as long as it is."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._content: dict[str, Any] | None = None

    def write(self, content: Mapping[str, Any]) -> None:
        """Say that everything is ready."""
        self._content = dict(content)
        self._store()

    def update(self, **changes: Any) -> None:
        """Keep it current; nothing happens before it was written first."""
        if self._content is not None:
            self._content.update(changes)
            self._store()

    def remove(self) -> None:
        """Say that nothing is ready (any more)."""
        self._content = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _store(self) -> None:
        if self._path is not None:
            write_private(self._path, json.dumps(self._content, indent=1))


def summary(addresses: Addresses, agencies: Sequence[Mapping[str, Any]], *, data: Path, logs: Path) -> Table:
    """The short table: who finds what where, with the sample sign-ins."""
    table = Table(title="Portico is ready", title_justify="left", show_header=False, padding=(0, 1))
    table.add_column("what", no_wrap=True)
    table.add_column("where", overflow="fold")
    for agency in agencies:
        slug = agency["slug"]
        table.add_row("Agency", Text(str(agency.get("name", slug)), style="bold"))
        table.add_row("Staff pages", Text(f"{addresses.admin_url}/{slug}/"))
        for member in agency["staff"]:
            table.add_row("", Text(f"{member['username']}  {member['password']}  ({member['role']})"))
        table.add_row("Client portal", Text(f"{addresses.portal_url}/{slug}/"), end_section=True)
    if not agencies:
        table.add_row("Staff pages", Text(f"{addresses.admin_url}/<agency>/"))
        table.add_row("Client portal", Text(f"{addresses.portal_url}/<agency>/"))
    table.add_row("Staff API", Text(f"{addresses.admin_url}/docs"))
    table.add_row("Client API", Text(f"{addresses.portal_url}/docs"))
    table.add_row("Logs API", Text(f"{addresses.audit_url}/docs"))
    table.add_row("Mailbox", Text(addresses.mailbox_url or f"none: mail goes to {addresses.smtp}"))
    table.add_row("Process logs", Text(str(logs)))
    table.add_row("Data and passwords", Text(str(data)))
    table.add_row("Stop", "Ctrl-C")
    return table
