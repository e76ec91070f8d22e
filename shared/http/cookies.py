"""Session cookies, named per service and agency: cookies know neither ports nor paths, so one host shares them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class CookieName:
    """``CookieName("portico_staff", "riverside", secure=True)`` is ``__Host-portico_staff_riverside``.

    ``secure`` follows the scheme of the public URL: browsers take neither the ``__Host-`` prefix nor ``Secure`` over
    plain http.
    """

    prefix: str
    slug: str
    secure: bool

    def __str__(self) -> str:
        """The name as it stands in the header."""
        return f"{'__Host-' if self.secure else ''}{self.prefix}_{self.slug}"

    def read(self, request: web.Request) -> str | None:
        """The cookie's value, ``None`` when the browser sent none."""
        return request.cookies.get(str(self)) or None

    def set(self, response: web.StreamResponse, value: str, *, max_age: int | None = None) -> None:
        """Give the browser the cookie; without ``max_age`` (seconds) it lives until the browser closes."""
        self._check()
        response.set_cookie(
            str(self), value, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite="Lax"
        )

    def delete(self, response: web.StreamResponse) -> None:
        """Have the browser forget the cookie."""
        self._check()
        response.del_cookie(str(self), path="/", secure=self.secure, httponly=True, samesite="Lax")

    def _check(self) -> None:
        # A slug comes from the path until the agency is found: it must never shape the header.
        if not _TOKEN.fullmatch(f"{self.prefix}_{self.slug}"):
            raise ValueError("a cookie's name takes ASCII letters, digits, - and _ only")
