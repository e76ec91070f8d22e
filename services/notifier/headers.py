"""What may stand in a mail header.

Python before 3.11.10 turns an encoded word inside a display name or a subject into real header lines when it folds
them, even through EmailMessage (CVE-2024-6923, CVE-2026-1299). So no text with ``=?`` or a control character gets near
a header, and the finished header block is compared with what it is meant to be before it leaves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

# Control, format (the marks that reverse reading direction among them), surrogate, private use, line, paragraph.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_LONGEST_NAME = 200
_LONGEST_ADDRESS = 254
_LONGEST_LOCAL_PART = 64

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_FIELD = re.compile(rb"(?P<name>[A-Za-z-]+): ")


class UnsafeHeader(ValueError):
    """The text could break out of its mail header."""


def is_safe(text: str) -> bool:
    """Whether ``text`` may become part of a header."""
    return "=?" not in text and not any(unicodedata.category(c) in _UNSAFE_CATEGORIES for c in text)


def safe_text(text: str) -> str:
    """``text``, when it is safe and says something. Raises UnsafeHeader."""
    if not text.strip() or not is_safe(text):
        raise UnsafeHeader("the text cannot stand in a mail header")
    return text


def safe_address(address: str) -> str:
    """``address``, when it is a plain ASCII address (RFC 5321, Dot-string and domain). Raises UnsafeHeader."""
    found = _ADDRESS.fullmatch(address)
    if (
        found is None
        or not is_safe(address)
        or len(address) > _LONGEST_ADDRESS
        or len(found["local"]) > _LONGEST_LOCAL_PART
    ):
        raise UnsafeHeader("the address cannot stand in a mail header")
    return address


def safe_name(name: str) -> str:
    """A display name, or nothing when it is not safe: the bare address is then what people see."""
    name = name.strip()
    return name if len(name) <= _LONGEST_NAME and is_safe(name) else ""


def check_block(mail: bytes, names: Collection[str]) -> None:
    """Raise UnsafeHeader unless the headers of a finished mail are exactly ``names``, once each."""
    block, _, _ = mail.partition(b"\r\n\r\n")
    seen: list[str] = []
    for line in block.split(b"\r\n"):
        if line[:1] in {b" ", b"\t"} and seen:
            continue
        field = _FIELD.match(line)
        if field is None or b"\r" in line or b"\n" in line:
            raise UnsafeHeader("the mail has a header line that was not written here")
        seen.append(field["name"].decode().lower())
    if sorted(seen) != sorted(name.lower() for name in names):
        raise UnsafeHeader("the mail has headers that were not written here")
