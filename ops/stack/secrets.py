"""The secrets of one data directory: made once, kept in a file that only its owner can read."""

from __future__ import annotations

import base64
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
from nacl.public import PrivateKey

from ops.problems import Problem
from ops.stack.files import write_private
from shared.security.boxes import new_box_key

DATABASE_ROLES = ("admin", "portal", "audit", "notifier", "relay")
SIGNING_SERVICES = ("admin", "portal", "notifier")
BOX_SERVICES = ("admin", "portal")

_DEMO_PASSWORD_LENGTH = 20
# Read aloud or copied by hand: without the characters that look alike.
_DEMO_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))


@dataclass(slots=True)
class Secrets:
    """Everything secret that the processes of one data directory share. Never shown: the values are in no ``repr``."""

    instance: str
    database_passwords: dict[str, str] = field(repr=False)
    redis_password: str = field(repr=False)
    signing_keys: dict[str, str] = field(repr=False)
    sealing_private_key: str = field(repr=False)
    sealing_public_key: str = field(repr=False)
    seal_key: str = field(repr=False)
    box_keys: dict[str, str] = field(repr=False)
    demo_passwords: dict[str, str] = field(repr=False)
    path: Path = field(repr=False)

    @classmethod
    def of(cls, data: Path) -> Secrets:
        """Read them from ``data``, or make them. Raises Problem when the file is damaged or not ours."""
        path = data / "secrets.json"
        try:
            stored = json.loads(path.read_text())
            # A directory of the time before there were these gets them now.
            later = {"seal_key": _signing_key(), "box_keys": _box_keys()}
            found = cls(**(later | stored), path=path)
            if not later.keys() <= stored.keys():
                found.save()
            return found
        except FileNotFoundError:
            made = _make(path)
            made.save()
            return made
        except (ValueError, TypeError):
            raise Problem(f"{path} is damaged: restore it, or remove {data} to begin with an empty one.") from None

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
    sealing = PrivateKey.generate()
    return Secrets(
        instance=secrets.token_hex(8),
        database_passwords={name: secrets.token_urlsafe(24) for name in ("owner", *DATABASE_ROLES)},
        redis_password=secrets.token_urlsafe(24),
        signing_keys={service: _signing_key() for service in SIGNING_SERVICES},
        sealing_private_key=base64.b64encode(bytes(sealing)).decode(),
        sealing_public_key=base64.b64encode(bytes(sealing.public_key)).decode(),
        seal_key=_signing_key(),
        box_keys=_box_keys(),
        demo_passwords={},
        path=path,
    )


def _signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _box_keys() -> dict[str, str]:
    return {service: new_box_key() for service in BOX_SERVICES}
