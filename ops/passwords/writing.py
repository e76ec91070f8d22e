"""Writes the file that the services look passwords up in."""

from __future__ import annotations

import hashlib
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from shared.security.blocklist import HEADER_BYTES, MAGIC

RARELY: Final = 1e-6
"""How seldom a password that is on no list may be taken for one that is."""
# What is kept while lists are read: enough for the widest record, and no more memory than it takes.
_KEPT: Final = 8


class Keys:
    """The beginnings of hashes, each once, sorted; hundreds of millions fit into memory (8 bytes each)."""

    def __init__(self) -> None:
        # By first byte, so that sorting never needs a copy of everything.
        self._parts = [array("Q") for _ in range(256)]

    def add(self, keys: Iterable[bytes]) -> int:
        """Take them in; answers how many there were."""
        count = 0
        for key in keys:
            self._parts[key[0]].append(int.from_bytes(key[:_KEPT], "big"))
            count += 1
        return count

    def settle(self) -> int:
        """Sort, and drop those that are there twice; answers how many are left."""
        for first, part in enumerate(self._parts):
            self._parts[first] = array("Q", sorted(set(part)))
        return sum(map(len, self._parts))

    def records(self, width: int) -> Iterator[bytes]:
        """Their first ``width`` bytes, each once."""
        before = b""
        for part in self._parts:
            for number in part:
                record = number.to_bytes(_KEPT, "big")[:width]
                if record != before:
                    yield record
                before = record


def width_for(count: int) -> int:
    """How many bytes of a hash it takes so that mistakes are as rare as `RARELY`."""
    return next((width for width in range(4, _KEPT) if count / 256**width <= RARELY), _KEPT)


def write(keys: Keys, path: Path) -> int:
    """Put them into ``path``, in one step; answers how many records it holds."""
    width = width_for(keys.settle())
    digest, count = hashlib.sha256(), 0
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(bytes(HEADER_BYTES))
            for record in keys.records(width):
                file.write(record)
                digest.update(record)
                count += 1
            file.seek(0)
            file.write(MAGIC + bytes([width]) + count.to_bytes(8, "big") + digest.digest())
        # No secret: the services, which may run as another user, have to read it.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count
