"""Which deployment an operator's command works on: the one that the environment names, or a running `portico up`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ops.problems import Problem
from ops.settings import setting
from ops.stack import environment

_POSTGRES = ("postgresql", "postgres")
_REDIS = ("redis", "rediss")


@dataclass(frozen=True, slots=True)
class Deployment:
    """Its servers, the databases as their owners see them. Those of Redis are None where nobody named them."""

    owner_url: str = field(repr=False)
    audit_owner_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    broker_url: str | None = field(repr=False)

    @classmethod
    def named(cls, data: Path) -> Deployment:
        """That of OWNER_DATABASE_URL, or else of the stack that runs on ``data``. Raises Problem.

        All of it comes from one of them, so that no command works on parts of two deployments. REDIS_URL by itself
        may be there for `portico up`.
        """
        if setting("OWNER_DATABASE_URL"):
            return cls._of(setting)
        return cls._of(environment.load(data).get)

    @classmethod
    def _of(cls, read: Callable[[str], str | None]) -> Deployment:
        owner_url = _url(read, "OWNER_DATABASE_URL", _POSTGRES)
        if owner_url is None:
            raise Problem("OWNER_DATABASE_URL is not set.")
        return cls(
            owner_url=owner_url,
            audit_owner_url=_url(read, "AUDIT_OWNER_DATABASE_URL", _POSTGRES) or owner_url,
            redis_url=_url(read, "REDIS_URL", _REDIS),
            broker_url=_url(read, "CELERY_BROKER_URL", _REDIS),
        )


def _url(read: Callable[[str], str | None], name: str, schemes: tuple[str, ...]) -> str | None:
    """A URL that a driver can read; what drivers say of others may quote a password."""
    value = read(name)
    if value is None:
        return None
    try:
        url = urlsplit(value)
        # Reading the port checks it.
        fits = url.scheme in schemes and url.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise Problem(f"{name} must be a URL such as {schemes[0]}://user:password@host:port/name.")
    return value
