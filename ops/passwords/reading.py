"""The passwords of a list: plain text, JSON, or the SHA-1 hashes that lists of breached passwords come as."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from ops.problems import Problem
from shared.security.blocklist import key_of

_HASH: Final = re.compile(rb"([0-9A-Fa-f]{40}|[0-9A-Fa-f]{35})(?::([0-9]+))?")
_PREFIX: Final = re.compile(r"[0-9A-Fa-f]{5}")
_LONGEST_LINE: Final = 4096


def keys_in(path: Path, *, least_length: int, least_count: int) -> Iterator[bytes]:
    """The key of each password in a file; of hashes those that were lost ``least_count`` times, where it is said.

    Passwords of fewer than ``least_length`` characters are left out; how long a hashed one is nobody knows. Raises
    Problem.
    """
    try:
        if path.name.endswith(".json"):
            yield from _plain(_json(path), least_length)
            return
        with _open(path) as file:
            first = file.readline(_LONGEST_LINE)
            file.seek(0)
            if _HASH.fullmatch(first.strip()):
                yield from _hashed(path, file, least_count)
            else:
                yield from _plain((_decoded(line) for line in file), least_length)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise Problem(f"{path} can't be read: {reason}.") from None


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _decoded(line: bytes) -> str:
    text = line.rstrip(b"\r\n")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        # Lists are gathered from everywhere; what is not UTF-8 is most often this.
        return text.decode("latin-1")


def _json(path: Path) -> list[str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise Problem(f"{path} is no JSON list of passwords.")
    return found


def _plain(passwords: Iterator[str] | list[str], least_length: int) -> Iterator[bytes]:
    for password in passwords:
        text = unicodedata.normalize("NFKC", password).casefold()
        if len(text) >= least_length:
            yield key_of(text)


def _hashed(path: Path, file: BinaryIO, least_count: int) -> Iterator[bytes]:
    stem = path.name.partition(".")[0]
    # Files by range hold the rest of each hash, and are named by its beginning.
    beginning = stem.encode() if _PREFIX.fullmatch(stem) else b""
    for number, line in enumerate(file, start=1):
        found = _HASH.fullmatch(line.strip())
        whole = b"" if found is None else found[1] if len(found[1]) == 40 else beginning + found[1]
        if found is None or len(whole) != 40:
            raise Problem(f"{path}, line {number}: this is no SHA-1 hash with a count, as in the lines before.")
        if found[2] is None or int(found[2]) >= least_count:
            yield bytes.fromhex(whole.decode())
