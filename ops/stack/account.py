"""The unprivileged account that the embedded servers run under when this process is root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from ops.problems import Problem

# PostgreSQL refuses to run as root, and initdb wants the account to have a name.
_CANDIDATES = ("nobody", "daemon", "postgres")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine by name, user id and group id."""

    name: str
    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        """Whether the running process has this account already, so that nothing needs to be switched."""
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        """Give a file or folder of ours to this account; nothing happens when it is our own account."""
        if not self.is_me:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may pass through ``folder`` and every folder above it.

        Only owner, group and other bits are looked at: an access control list that grants more costs a needless copy,
        and nothing else.
        """
        folder = folder.resolve()
        return all(self._may(part, 0o1) for part in (folder, *folder.parents))

    def can_run(self, program: Path) -> bool:
        """Whether this account may read and execute ``program`` where it is."""
        program = program.resolve()
        return self.can_enter(program.parent) and self._may(program, 0o5)

    def _may(self, path: Path, wanted: int) -> bool:
        try:
            status = path.stat()
        except OSError:
            return False
        if status.st_uid == self.uid:
            shift = 6
        elif status.st_gid == self.gid:
            shift = 3
        else:
            shift = 0
        return (status.st_mode >> shift) & wanted == wanted


def server_account() -> Account:
    """The account for server processes: our own, or an unprivileged one when we are root."""
    uid = os.geteuid()
    if uid != 0:
        return Account(_name_of(uid), uid, os.getegid())
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise Problem(
        "PostgreSQL cannot run as root and this machine has no unprivileged account"
        f" ({', '.join(_CANDIDATES)}): run this command as an ordinary user, or set DATABASE_URL."
    )


def owner_name(path: Path) -> str:
    """The name of the user who owns ``path``, or the number where the account has no name."""
    return _name_of(path.stat().st_uid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
