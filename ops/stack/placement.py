"""Where server data and server programs lie, so that the account that runs them can reach them.

Only folders that were created here ever get another mode: where the way to a data directory is closed to the servers'
account, their data goes to a folder of our own elsewhere instead.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ops.problems import Problem
from ops.stack.account import Account, server_account
from ops.stack.files import make_folder, write_private

# /tmp is left out: what is meant to last does not belong where a restart of the machine cleans up.
_LASTING_ROOTS = (Path("/var/lib/portico"), Path("/var/tmp/portico"))  # noqa: S108 - checked for its owner before use


@dataclass(frozen=True, slots=True)
class Place:
    """Where one data directory keeps its servers' data, and the account that runs them."""

    folder: Path
    account: Account
    moved: bool


@dataclass(frozen=True, slots=True)
class Installation:
    """The installed programs of one server: ``parts`` are the paths below ``root`` that they need."""

    name: str
    version: str
    root: Path
    parts: tuple[str, ...]
    program: str


def place_for(data: Path) -> Place:
    """Find, or choose once and remember, the folder for the server data that belongs to ``data``.

    Raises Problem when remembered server data is gone or out of reach.
    """
    account = server_account()
    note = data / "servers.json"
    if note.exists():
        folder = Path(json.loads(note.read_text())["folder"])
        if not folder.is_dir():
            raise Problem(
                f"The server data of {data} was in {folder}, which is gone: remove {data} to begin with an empty one."
            )
        return Place(folder, account, moved=True)
    if account.is_me or account.can_enter(data):
        return Place(data, account, moved=False)
    if (data / "postgres").exists():
        raise Problem(
            f"The user {account.name}, who runs PostgreSQL when you are root, can no longer reach {data}:"
            " move it to where it was, or choose another --data."
        )
    folder = lasting_root(account) / f"data-{secrets.token_hex(6)}"
    make_folder(folder, 0o711)
    (folder / "belongs-to").write_text(f"{data}\n")
    write_private(note, json.dumps({"folder": str(folder)}))
    return Place(folder, account, moved=True)


def temporary_folder(account: Account) -> Path:
    """A new folder for server data that is thrown away, which ``account`` can enter."""
    parent = Path(tempfile.gettempdir())
    if not account.is_me and not account.can_enter(parent):
        parent = lasting_root(account)
    folder = Path(tempfile.mkdtemp(prefix="portico-", dir=parent))
    # mkdtemp closes it to everybody else; the servers' own folders inside are closed again.
    folder.chmod(0o711)
    return folder


def lasting_root(account: Account) -> Path:
    """A folder of our own that ``account`` can enter, and that outlives a restart of the machine (for root)."""
    for root in _LASTING_ROOTS:
        try:
            make_folder(root, 0o755)
        except OSError:
            continue
        if _is_ours(root) and account.can_enter(root):
            return root
    places = " nor ".join(str(root.parent) for root in _LASTING_ROOTS)
    raise Problem(
        f"Neither {places} can take a folder that the user {account.name} can enter:"
        " run this command as an ordinary user, or choose a --data that everybody may pass through."
    )


def reachable_root(installation: Installation, account: Account) -> Path:
    """The root below which ``account`` can run the installation: where it is, or a copy made once per version."""
    if account.is_me or account.can_run(installation.root / installation.program):
        return installation.root
    copies = lasting_root(account) / "servers"
    make_folder(copies, 0o755)
    target = copies / f"{installation.name}-{installation.version}"
    if not target.exists():
        _copy(installation, copies, target)
    if not _is_ours(target):
        raise Problem(f"{target} belongs to somebody else: remove it, so that the server programs can be copied there.")
    return target


def _copy(installation: Installation, copies: Path, target: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=".copy-", dir=copies))
    try:
        for part in installation.parts:
            source = installation.root / part
            if source.is_dir():
                shutil.copytree(source, unfinished / part)
            elif source.exists():
                (unfinished / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, unfinished / part)
        _open_for_reading(unfinished)
        try:
            unfinished.rename(target)
        except OSError:
            # Somebody else finished the same copy first; theirs serves as well.
            if not target.exists():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _open_for_reading(root: Path) -> None:
    """Give everybody what the owner may do, writing excepted: packages installed under a strict umask are closed."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)


def _is_ours(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
