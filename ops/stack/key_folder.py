"""The folder of the keys that can change while everything runs: in it a folder for each service, with its own files.

Each file holds one key or several, the newest first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ops.problems import Problem
from ops.stack.files import make_folder, replace_private, write_private
from shared.deliveries.sealing import Opener, new_key_pair
from shared.security.boxes import box_key_name, new_box_key
from shared.security.tokens import new_signing_key, pem_blocks, signing_keys

Use = Literal["signing", "sealing", "boxes"]


@dataclass(frozen=True, slots=True)
class Target:
    """What rotates by itself: the keys of one service for one use, in one file."""

    name: str
    service: str
    use: Use
    file: str

    def new_key(self) -> str:
        """A fresh one, as it stands in the file."""
        if self.use == "signing":
            return new_signing_key().strip()
        return new_key_pair()[0] if self.use == "sealing" else new_box_key()

    def name_of(self, key: str) -> str:
        """What a key is called everywhere; it says nothing of the key. Raises ValueError for what is no key."""
        if self.use == "signing":
            return signing_keys(key)[0].kid
        return next(iter(Opener(key).public_keys)) if self.use == "sealing" else box_key_name(key)

    def keys_in(self, text: str) -> list[str]:
        """The keys of a file, the newest first. Raises ValueError for what is no key."""
        found = pem_blocks(text) if self.use == "signing" else text.split()
        if not found:
            raise ValueError("there is no key")
        # Each once, and each looked at.
        return list({self.name_of(key): key for key in reversed(found)}.values())[::-1]


TARGETS: Final = (
    Target("admin", "admin", "signing", "admin/signing_key.pem"),
    Target("portal", "portal", "signing", "portal/signing_key.pem"),
    Target("notifier", "notifier", "signing", "notifier/signing_key.pem"),
    Target("sealing", "notifier", "sealing", "notifier/sealing_private_key.txt"),
    Target("admin-boxes", "admin", "boxes", "admin/box_keys.txt"),
    Target("portal-boxes", "portal", "boxes", "portal/box_keys.txt"),
)


def target(name: str) -> Target:
    """The target of a name. Raises Problem."""
    for found in TARGETS:
        if found.name == name:
            return found
    raise Problem(f"There are no keys called {name!r}: name some of {', '.join(t.name for t in TARGETS)}.")


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The files. What is in them never leaves this process but for the services that read them."""

    path: Path

    def file(self, wanted: Target) -> Path:
        """Where a target's keys are."""
        return self.path / wanted.file

    def read(self, wanted: Target) -> list[str]:
        """A target's keys, the newest first. Raises Problem."""
        file = self.file(wanted)
        try:
            return wanted.keys_in(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise Problem(f"{file} can't be read: {error.strerror}.") from None
        except ValueError:
            raise Problem(f"{file} is damaged: it holds what is no key.") from None

    def names(self, wanted: Target) -> list[str]:
        """What they are called. Raises Problem."""
        return [wanted.name_of(key) for key in self.read(wanted)]

    def write(self, wanted: Target, keys: Sequence[str]) -> None:
        """Put these keys in place of those that are there, in one step. Raises Problem."""
        file = self.file(wanted)
        try:
            replace_private(file, "".join(f"{key}\n" for key in keys))
        except OSError as error:
            raise Problem(f"{file} can't be written: {error.strerror}.") from None

    def make_missing(self, given: Mapping[str, str]) -> None:
        """Write the files that are not there: what is ``given`` by a target's name, or else a fresh key."""
        make_folder(self.path, 0o700)
        for wanted in TARGETS:
            file = self.file(wanted)
            if not file.exists():
                make_folder(file.parent, 0o700)
                write_private(file, f"{given.get(wanted.name, '').strip() or wanted.new_key()}\n")

    @property
    def sealing_public_key(self) -> str:
        """The public half of the newest sealing key, in base64. Raises Problem."""
        return Opener(self.read(target("sealing"))[0]).public_base64

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no other command changes keys in it. Raises Problem."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise Problem(f"The folder of keys {self.path} can't be read: {error.strerror}.") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Problem(f"Another command is changing the keys in {self.path} right now.") from None
        finally:
            os.close(handle)
