"""The secrets of one data directory: made once, kept in a file that only its owner can read."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ops.problems import Problem
from ops.stack.files import write_private
from ops.stack.key_folder import KeyFolder

DATABASE_ROLES = ("admin", "portal", "audit", "notifier", "relay")

_DEMO_PASSWORD_LENGTH = 20
# Read aloud or copied by hand: without the characters that look alike.
_DEMO_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))


@dataclass(slots=True)
class Secrets:
    """Everything secret that the processes of one data directory share. Never shown: the values are in no ``repr``."""

    instance: str
    database_passwords: dict[str, str] = field(repr=False)
    redis_password: str = field(repr=False)
    seal_key: str = field(repr=False)
    demo_passwords: dict[str, str] = field(repr=False)
    path: Path = field(repr=False)

    @classmethod
    def of(cls, data: Path) -> Secrets:
        """Read them from ``data``, or make them. Raises Problem when the file is damaged or not ours."""
        path = data / "secrets.json"
        try:
            stored = json.loads(path.read_text())
            moved = _taken_out(stored)
            # A directory of the time before there was one gets it now.
            found = cls(**({"seal_key": _signing_key()} | stored), path=path)
            # Written there first, and only then forgotten here.
            found.keys.make_missing(moved)
            if moved or "seal_key" not in stored:
                found.save()
            return found
        except FileNotFoundError:
            made = _make(path)
            made.keys.make_missing({})
            made.save()
            return made
        except (ValueError, TypeError):
            raise Problem(f"{path} is damaged: restore it, or remove {data} to begin with an empty one.") from None

    @property
    def keys(self) -> KeyFolder:
        """The keys that can change while the processes run."""
        return KeyFolder(self.path.parent / "keys")

    @property
    def seal_public_key(self) -> str:
        """What verifies the seals of the audit log."""
        key = load_pem_private_key(self.seal_key.encode(), None).public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def save(self) -> None:
        """Write them to the file in one step."""
        names = [name for name in self.__slots__ if name != "path"]
        content: dict[str, Any] = {name: getattr(self, name) for name in names}
        write_private(self.path, json.dumps(content, indent=1))


class DemoPasswords(Mapping[str, str]):
    """Passwords of the sample staff by ``agency/username``; one that is asked for first is made and stored then."""

    def __init__(self, stored: Secrets, choose: Callable[[str], str] = secrets.choice) -> None:
        self._stored = stored
        self._choose = choose

    def __getitem__(self, key: str) -> str:
        known = self._stored.demo_passwords
        if key not in known:
            known[key] = "".join(self._choose(_DEMO_ALPHABET) for _ in range(_DEMO_PASSWORD_LENGTH))
            # Stored before anybody hashes it: a crash in between must not leave a password that nobody knows.
            self._stored.save()
        return known[key]

    def __contains__(self, key: object) -> bool:
        return key in self._stored.demo_passwords

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored.demo_passwords)

    def __len__(self) -> int:
        return len(self._stored.demo_passwords)


def _make(path: Path) -> Secrets:
    return Secrets(
        instance=secrets.token_hex(8),
        database_passwords={name: secrets.token_urlsafe(24) for name in ("owner", *DATABASE_ROLES)},
        redis_password=secrets.token_urlsafe(24),
        seal_key=_signing_key(),
        demo_passwords={},
        path=path,
    )


def _signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _taken_out(stored: dict[str, Any]) -> dict[str, str]:
    """What older versions kept here and is in the folder of keys now, by the names of its targets."""
    sealing = stored.pop("sealing_private_key", None)
    stored.pop("sealing_public_key", None)
    signing, boxes = stored.pop("signing_keys", {}), stored.pop("box_keys", {})
    found = dict(signing) | {f"{service}-boxes": key for service, key in boxes.items()}
    return found | ({"sealing": sealing} if sealing else {})
