"""Passwords that others have used and lost, kept as the sorted beginnings of their SHA-1 hashes.

SHA-1 because lists of breached passwords are given away as such hashes; nothing is kept secret by it. A password that
is on no list is taken for one with the probability `Blocklist.mistaken`.
"""

from __future__ import annotations

import functools
import hashlib
import mmap
import unicodedata
from bisect import bisect_left
from pathlib import Path
from typing import Final

MAGIC: Final = b"Portico passwords 1\n"
# Behind it: bytes of a record (1), number of records (8, big-endian), SHA-256 of all records, the records.
HEADER_BYTES: Final = len(MAGIC) + 1 + 8 + 32
SHIPPED: Final = Path(__file__).with_name("blocklist.bin")


class BadBlocklist(Exception):
    """The file is no list of passwords that Portico has made, or it is damaged."""


class Blocklist:
    """One such file, mapped into memory: all processes of a machine share it, and only what is asked for is read."""

    def __init__(self, path: Path) -> None:
        """Raises BadBlocklist with a sentence that goes on after the file's name, and OSError."""
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
            if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
                raise BadBlocklist("is no list that `portico passwords refresh` has made")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._width = header[len(MAGIC)]
        self._count = int.from_bytes(header[len(MAGIC) + 1 : len(MAGIC) + 9], "big")
        records = memoryview(self._map)[HEADER_BYTES:]
        whole = len(records) == self._width * self._count > 0
        if not whole or hashlib.sha256(records).digest() != header[-32:]:
            raise BadBlocklist("is damaged")

    def __len__(self) -> int:
        return self._count

    @property
    def mistaken(self) -> float:
        """How likely a password that is on no list is taken for one that is."""
        return self._count / float(256**self._width)

    def holds(self, password: str) -> bool:
        """Whether a password is on the list, as it is or in another case."""
        text = unicodedata.normalize("NFKC", password)
        return any(self._has(key_of(variant)) for variant in {text, text.casefold()})

    def _has(self, key: bytes) -> bool:
        wanted = key[: self._width]
        place = bisect_left(range(self._count), wanted, key=self._record)
        return place < self._count and self._record(place) == wanted

    def _record(self, place: int) -> bytes:
        start = HEADER_BYTES + place * self._width
        return self._map[start : start + self._width]


def key_of(text: str) -> bytes:
    """What a password is known by."""
    return hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()


@functools.cache
def shipped() -> Blocklist:
    """The list that comes with Portico; docs/operating/passwords.md says where it is from."""
    return Blocklist(SHIPPED)
