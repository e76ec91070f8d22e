"""Versions in ``ETag`` and ``If-Match``: the tag is the version number in quotes (RFC 9110, 8.8.3 and 13.1.1)."""

from __future__ import annotations

import re

from aiohttp import web

from shared.errors import Changed

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_VERSION = re.compile(r"[0-9]{1,18}")


def format_etag(version: int) -> str:
    """``7`` becomes ``"7"``."""
    return f'"{version}"'


def parse_if_match(value: str) -> tuple[int, ...] | None:
    """The versions that the header names, ``None`` for ``*``.

    A weak tag counts like a strong one: proxies that compress answers weaken tags on their way, and our version stands
    for the state rather than for the bytes. Tags that are no version of ours are left out, they match nothing.
    Raises `Changed` for a value that is no list of tags.
    """
    value = value.strip()
    if value == "*":
        return None
    position, versions = 0, []
    while True:
        match = _TAG.match(value, position)
        if match is None:
            raise Changed("If-Match holds no tag that we gave out.")
        if _VERSION.fullmatch(match[1]):
            versions.append(int(match[1]))
        rest = value[match.end() :].lstrip()
        if not rest:
            return tuple(versions)
        if not rest.startswith(","):
            raise Changed("If-Match holds no tag that we gave out.")
        position = len(value) - len(rest[1:].lstrip())


def expected_version(request: web.Request) -> int | None:
    """The version that the caller last saw, ``None`` when the update shall be taken whatever the version is.

    Of several versions the newest counts. Raises `Changed` (412) when the header names no version at all.
    """
    values = request.headers.getall("If-Match", ())
    if not values:
        return None
    versions = parse_if_match(", ".join(values))
    if versions is None:
        return None
    if not versions:
        raise Changed("If-Match holds no tag that we gave out.")
    return max(versions)
