"""Asking an identity provider: JSON only, of a bounded size, in bounded time, and with no redirect followed.

What stands at the address was typed in by an agency's admin and need not be an identity provider at all.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientConnectorCertificateError, ClientError, ClientSession, ClientSSLError, DummyCookieJar

SECONDS: Final = 5.0
"""A person waits for the answer."""
BODY_LIMIT: Final = 256 * 1024
"""Bytes. Key sets of large providers take about 20 KiB."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_LONGEST_ADDRESS: Final = 300
# The characters of an address (RFC 3986).
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")


class Unusable(Exception):
    """Why the provider cannot be used, as a sentence for the agency's admin, without anything that it sent."""


def new_client() -> ClientSession:
    """A client without cookies and proxies that takes bodies as they come: none can unfold into a large one."""
    return ClientSession(
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "portico"},
    )


def problem_with_address(address: str, *, loopback: bool) -> str | None:
    """What is wrong with the address of a provider; with ``loopback`` plain http is good on this machine."""
    try:
        url = urlsplit(address)
        fits = url.port != 0 and bool(url.hostname)
    except ValueError:
        fits = False
    if not fits or len(address) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(address):
        return "Enter an address such as https://login.example.org."
    if url.username is not None or url.fragment:
        return "Leave out the user and what follows a #."
    if url.scheme != "https" and not (loopback and url.scheme == "http" and url.hostname in _LOOPBACK):
        return "The address must begin with https://."
    return None


async def ask(
    http: ClientSession, address: str, *, body: str | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object that an address answers with; with a ``body`` it is a POST. Raises Unusable.

    What is no JSON counts as an empty object where the status says already that something is wrong.
    """
    method = "GET" if body is None else "POST"
    try:
        async with (
            asyncio.timeout(SECONDS),
            http.request(method, address, data=body, headers=headers, allow_redirects=False) as response,
        ):
            if 300 <= response.status < 400:
                raise Unusable("It sends us on to another address.")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Unusable("Its answer is compressed.")
            raw = bytearray()
            async for chunk in response.content.iter_chunked(16 * 1024):
                raw += chunk
                if len(raw) > BODY_LIMIT:
                    raise Unusable("Its answer is too long.")
            return response.status, _object(bytes(raw), response.status)
    except (ClientConnectorCertificateError, ClientSSLError):
        raise Unusable("Its certificate is not good for this address.") from None
    except TimeoutError:
        raise Unusable("It does not answer in time.") from None
    except (ClientError, OSError, ValueError):
        # What the client says of an address may hold all of it.
        raise Unusable("It cannot be reached.") from None


def _object(raw: bytes, status: int) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        if status == HTTPStatus.OK:
            raise Unusable("Its answer is no JSON object.")
        return {}
    return found
