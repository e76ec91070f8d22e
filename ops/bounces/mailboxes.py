"""Where returned e-mails arrive: a Maildir, or a mailbox over IMAP. What was looked at leaves, so it is read once."""

from __future__ import annotations

import imaplib
import os
import re
import ssl
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, Self
from urllib.parse import unquote, urlsplit

from ops.bounces.reports import MOST_BYTES
from ops.problems import Problem

HANDLED: Final = "Portico-handled"
UNCLEAR: Final = "Portico-unclear"
KEPT_DAYS: Final = 7
"""How long a Maildir keeps what was handled: it says who is a client, and may hold what was mailed."""

_IMAP_SECONDS: Final = 30
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


class Mailbox(Protocol):
    """A place with mails. Its methods wait for disks and servers."""

    def open(self) -> None:
        """Get ready for a round. Raises Problem, OSError."""

    def close(self) -> None:
        """End a round."""

    def waiting(self) -> Sequence[str]:
        """The names of what nobody has looked at."""

    def read(self, name: str) -> bytes | None:
        """One of them; None when it is too large, or no mail."""

    def put_away(self, name: str, folder: str) -> None:
        """Move it into another folder."""


class Maildir:
    """A folder with `new`, `cur` and `tmp`, as mail servers fill them. Further folders begin with a dot."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> None:
        """Make the folders. Raises Problem when it is no Maildir."""
        if not all((self._path / part).is_dir() for part in ("new", "cur")):
            raise Problem(f"{self._path} is no Maildir: it has no folders `new` and `cur`.")
        for folder in (HANDLED, UNCLEAR):
            for part in ("", "new", "cur", "tmp"):
                (self._path / f".{folder}" / part).mkdir(mode=0o700, exist_ok=True)

    def close(self) -> None:
        """Forget what was handled long ago."""
        oldest = time.time() - KEPT_DAYS * 86_400
        with suppress(OSError):
            for file in (self._path / f".{HANDLED}" / "cur").iterdir():
                if file.lstat().st_mtime < oldest:
                    file.unlink()

    def waiting(self) -> Sequence[str]:
        """Names with their folder: what has arrived, and what a mail program has shown to somebody."""
        found = [file for part in ("new", "cur") for file in sorted((self._path / part).iterdir())]
        return [f"{file.parent.name}/{file.name}" for file in found if not file.name.startswith(".")]

    def read(self, name: str) -> bytes | None:
        """Its bytes; None for anything but a file of a decent size."""
        try:
            # Whoever writes into the folder must not have us read another file.
            opened = os.open(self._path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                return None
            raw = file.read(MOST_BYTES + 1)
        return raw if len(raw) <= MOST_BYTES else None

    def put_away(self, name: str, folder: str) -> None:
        """Under the same name, as seen."""
        bare = name.partition("/")[2].partition(":2,")[0]
        target = self._path / f".{folder}" / "cur" / f"{bare}:2,S"
        with suppress(FileNotFoundError):
            (self._path / name).rename(target)
            # It is kept from now on.
            os.utime(target, follow_symlinks=False)


@dataclass(slots=True)
class ImapMailbox:
    """A folder of a mailbox, over TLS from the first byte; the server's certificate is checked."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str
    tls: ssl.SSLContext = field(repr=False)
    _server: imaplib.IMAP4_SSL | None = field(default=None, init=False, repr=False)

    @classmethod
    def at(cls, url: str, authorities: str | None = None) -> Self:
        """That of `imaps://user:password@host/folder`. ``authorities`` (PEM) are trusted besides the system's.

        Raises Problem.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 993
        except ValueError:
            raise _wrong_url() from None
        words = [unquote(word or "") for word in (parts.username, parts.password, parts.path.strip("/") or "INBOX")]
        # imaplib puts them on the wire as they are.
        if parts.scheme != "imaps" or not parts.hostname or not all(words) or any(_unsafe(word) for word in words):
            raise _wrong_url()
        tls = ssl.create_default_context()
        if authorities:
            try:
                tls.load_verify_locations(cadata=authorities)
            except (ssl.SSLError, ValueError):
                raise Problem("BOUNCE_IMAP_CA must be certificates in PEM.") from None
        return cls(parts.hostname, port, words[0], words[1], words[2], tls)

    def open(self) -> None:
        """Sign in. Raises Problem; never with what the server said, which may repeat the user."""
        try:
            self._server = imaplib.IMAP4_SSL(self.host, self.port, ssl_context=self.tls, timeout=_IMAP_SECONDS)
        except ssl.SSLCertVerificationError:
            raise Problem(f"The certificate of {self.host} is not valid.") from None
        try:
            self._server.login(self.username, self.password)
        except imaplib.IMAP4.error:
            raise Problem(f"{self.host} did not accept the sign-in of BOUNCE_IMAP_URL.") from None
        self._must(self._server.select(_quoted(self.folder)), f"open the folder {self.folder}")
        for folder in (HANDLED, UNCLEAR):
            # It says no where the folder is there already.
            self._server.create(_quoted(folder))

    def close(self) -> None:
        """Remove what was moved, and sign out."""
        if self._server is not None:
            for farewell in (self._server.expunge, self._server.logout, self._server.shutdown):
                # Each says no where the sign-in was refused, or the connection is lost.
                with suppress(imaplib.IMAP4.error, OSError):
                    farewell()
            self._server = None

    def waiting(self) -> Sequence[str]:
        """Their numbers, which stay the same."""
        found = self._must(self._open.uid("SEARCH", "UNDELETED"), "search")
        return [number.decode() for number in (found[0] or b"").split()]

    def read(self, name: str) -> bytes | None:
        """Its bytes, without a sign that it was read."""
        said = self._must(self._open.uid("FETCH", name, "(RFC822.SIZE)"), "tell a mail's size")
        size = _SIZE.search(said[0] if isinstance(said[0], bytes) else b"")
        if size is None or int(size[1]) > MOST_BYTES:
            return None
        found = self._must(self._open.uid("FETCH", name, "(BODY.PEEK[])"), "give a mail")
        return next((item[1] for item in found if isinstance(item, tuple)), None)

    def put_away(self, name: str, folder: str) -> None:
        """A copy there; the original goes at the end of the round."""
        self._must(self._open.uid("COPY", name, _quoted(folder)), f"copy into {folder}")
        self._must(self._open.uid("STORE", name, "+FLAGS.SILENT", "(\\Deleted)"), "remove a mail")

    @property
    def _open(self) -> imaplib.IMAP4_SSL:
        if self._server is None:
            raise Problem("The mailbox is not open.")
        return self._server

    def _must(self, answer: tuple[str, Any], what: str) -> Any:
        if answer[0] != "OK":
            raise Problem(f"{self.host} did not {what}.")
        return answer[1]


def _wrong_url() -> Problem:
    return Problem("BOUNCE_IMAP_URL must be a URL such as imaps://user:password@host/INBOX.")


def _unsafe(word: str) -> bool:
    return not word.isascii() or not word.isprintable() or any(c in word for c in '"\\') or word != word.strip()


def _quoted(folder: str) -> str:
    return f'"{folder}"'
