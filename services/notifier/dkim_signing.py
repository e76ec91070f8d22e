"""DKIM (RFC 6376, RFC 8463): a signature of the sender's domain over what must not change on the way.

The mails are our own, so a signer needs no parser of other people's: each header is there once, lines end with CRLF.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

WEAKEST_RSA: Final = 2048
"""Bits (RFC 8301, 3.2: signers should use at least this many)."""

# People read them, or programs go by them (RFC 6376, 5.4.1).
_SIGNED: Final = (
    *("from", "to", "cc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references"),
    *("mime-version", "content-type", "content-transfer-encoding"),
)
_FOLDED: Final = re.compile(rb"\r\n(?=[ \t])")
_SPACES: Final = re.compile(rb"[ \t]+")
_LINE: Final = 72

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]


class WeakKey(ValueError):
    """The key is too short, or of a kind that DKIM does not have."""


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    algorithm: Algorithm
    sign: Callable[[bytes], bytes]
    public: bytes


class DkimSigner:
    """Signs for one domain. Raises ValueError when the key is no private key in PEM, and WeakKey."""

    def __init__(self, domain: str, selector: str, key_pem: str) -> None:
        self.domain = domain.lower()
        self._selector = selector
        self._key = _key_of(key_pem)

    def sign(self, sender: str, mail: bytes, now: datetime) -> bytes:
        """``mail`` with a signature, when ``sender``, the address of its ``From``, is of the domain itself.

        Others stay as they are: a signature of another domain than the sender's is worth nothing to DMARC.
        """
        if sender.rpartition("@")[2].lower() != self.domain:
            return mail
        head, _, body = mail.partition(b"\r\n\r\n")
        headers = _canonical_headers(head)
        # Each is named once more often than it occurs, so that one that is added on the way breaks the signature
        # (RFC 6376, 8.15).
        names = [name for name in _SIGNED for _ in range(2 if name in headers else 1)]
        unsigned = _folded(
            [
                *("v=1", f"a={self._key.algorithm}", "c=relaxed/relaxed", f"d={self.domain}", f"s={self._selector}"),
                f"t={int(now.timestamp())}",
                "h=" + ":".join(names),
                "bh=" + base64.b64encode(sha256(_canonical_body(body)).digest()).decode(),
                "b=",
            ]
        )
        covered = [headers[name] for name in _SIGNED if name in headers]
        own = _canonical_headers(b"DKIM-Signature: " + unsigned)["dkim-signature"]
        signature = base64.b64encode(self._key.sign(b"\r\n".join([*covered, own]))).decode()
        pieces = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
        return b"DKIM-Signature: " + unsigned + "\r\n ".join(pieces).encode() + b"\r\n" + mail

    @property
    def record(self) -> tuple[str, str]:
        """Name and value of the TXT record by which others check the signatures."""
        public = base64.b64encode(self._key.public).decode()
        kind = self._key.algorithm.partition("-")[0]
        return f"{self._selector}._domainkey.{self.domain}", f"v=DKIM1; k={kind}; p={public}"


def _key_of(pem: str) -> _Key:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("there is no private key in PEM") from error
    if isinstance(key, Ed25519PrivateKey):
        ed25519 = key
        # RFC 8463, 3: what is signed is the hash.
        return _Key(
            "ed25519-sha256", lambda data: ed25519.sign(sha256(data).digest()), key.public_key().public_bytes_raw()
        )
    if not isinstance(key, RSAPrivateKey) or key.key_size < WEAKEST_RSA:
        raise WeakKey(f"an RSA key needs {WEAKEST_RSA} bits, and the only other kind is Ed25519")
    rsa = key
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _Key("rsa-sha256", lambda data: rsa.sign(data, PKCS1v15(), hashes.SHA256()), public)


def _canonical_headers(head: bytes) -> dict[str, bytes]:
    """Each header by its name, in the form ``relaxed`` (RFC 6376, 3.4.2), without the line's end."""
    found = {}
    for line in _FOLDED.sub(b"", head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        lower = name.strip().lower()
        found[lower.decode()] = lower + b":" + _SPACES.sub(b" ", value).strip()
    return found


def _canonical_body(body: bytes) -> bytes:
    """The form ``relaxed`` of a body (RFC 6376, 3.4.4)."""
    lines = [_SPACES.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _folded(tags: list[str]) -> bytes:
    """The tags one after another, in lines that no mail server needs to fold anew."""
    lines = [""]
    for tag in tags:
        piece = tag if tag == tags[-1] else f"{tag};"
        for part in re.findall(r"[^:]+:?", piece) if piece.startswith("h=") else [piece]:
            glue = "" if not lines[-1] or lines[-1].endswith(":") else " "
            # What the signature itself is goes on a line of its own: the rest stays as it is signed.
            room = _LINE - (len("DKIM-Signature: ") if len(lines) == 1 else 0)
            if part == "b=" or len(lines[-1] + glue + part) > room:
                lines.append("")
                glue = ""
            lines[-1] += glue + part
    return "\r\n ".join(lines).encode()
