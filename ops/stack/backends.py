"""Which servers the stack uses: those that the environment names, embedded ones for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import asyncpg
from pydantic import AfterValidator
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ops.migrate import PostgresUrl
from ops.problems import Problem
from ops.stack.environment import Backends, broker_url
from ops.stack.placement import Place
from ops.stack.ports import LOOPBACK, Ports
from ops.stack.postgres import EmbeddedPostgres
from ops.stack.secrets import Secrets
from ops.stack.supervisor import Unit
from ops.stack.valkey import EmbeddedValkey
from ops.stack.watchdog import Watchdog
from shared.settings import Networks, Port, ProcessSettings, wrong

_CONNECT_SECONDS = 10.0


def _redis_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("redis", "rediss") or not (url.path.strip("/") or "0").isdecimal():
        raise wrong("must be a URL such as redis://:password@host:6379/0")
    return value


def _smtp_url(value: str) -> str:
    if not value.startswith(("smtp://", "smtps://")):
        raise wrong("must be a URL such as smtp://user:password@host:587")
    return value


RedisUrl = Annotated[str, AfterValidator(_redis_url)]
SmtpUrl = Annotated[str, AfterValidator(_smtp_url)]


class UpSettings(ProcessSettings):
    """What `portico up` takes from the environment, all of it optional. A URL means: use this real server."""

    probe_port: Port = 0
    database_url: PostgresUrl | None = None
    audit_database_url: PostgresUrl | None = None
    redis_url: RedisUrl | None = None
    celery_broker_url: RedisUrl | None = None
    smtp_url: SmtpUrl | None = None
    smtp_security: Literal["starttls", "tls", "plaintext"] | None = None
    mail_from: str = "no-reply@portico.example"
    trusted_proxies: Networks = ()


@dataclass(slots=True)
class Servers:
    """The embedded servers that are needed, None where a real one was named."""

    settings: UpSettings = field(repr=False)
    postgres: EmbeddedPostgres | None
    valkey: EmbeddedValkey | None

    @classmethod
    def needed(cls, settings: UpSettings, *, place: Place, secrets: Secrets, logs: Path, watchdog: Watchdog) -> Servers:
        """Plan the embedded servers, without starting them."""
        postgres = valkey = None
        if settings.database_url is None:
            postgres = EmbeddedPostgres(
                place.folder / "postgres",
                password=secrets.database_passwords["owner"],
                log=logs / "postgres.log",
                account=place.account,
                watchdog=watchdog,
            )
        if settings.redis_url is None:
            valkey = EmbeddedValkey(
                place.folder / "valkey",
                password=secrets.redis_password,
                log=logs / "valkey.log",
                account=place.account,
                watchdog=watchdog,
            )
        return cls(settings, postgres, valkey)

    @property
    def units(self) -> list[Unit]:
        """The embedded servers to start."""
        return [server for server in (self.postgres, self.valkey) if server is not None]

    async def backends(self, ports: Ports) -> Backends:
        """The servers' addresses, once the embedded ones run. Raises Problem when a real one does not answer."""
        settings = self.settings
        owner_url = settings.database_url or (self.postgres.url if self.postgres else "")
        redis_url = settings.redis_url or (self.valkey.url if self.valkey else "")
        for name, url in (("DATABASE_URL", settings.database_url), ("AUDIT_DATABASE_URL", settings.audit_database_url)):
            if url is not None:
                await _require_database(name, url)
        if settings.redis_url is not None:
            await _require_redis(settings.redis_url)
        mailbox = settings.smtp_url is None
        return Backends(
            owner_url=owner_url,
            audit_owner_url=settings.audit_database_url or owner_url,
            redis_url=redis_url,
            broker_url=settings.celery_broker_url or broker_url(redis_url),
            smtp_url=settings.smtp_url or f"smtp://{LOOPBACK}:{ports.smtp}",
            smtp_security="plaintext" if mailbox else settings.smtp_security,
        )


async def _require_database(setting: str, url: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Problem(f"The PostgreSQL server of {setting} cannot be used: {_reason(error)}.") from error
    await connection.close()


async def _require_redis(url: str) -> None:
    client = Redis.from_url(
        url,
        socket_timeout=_CONNECT_SECONDS,
        socket_connect_timeout=_CONNECT_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    )
    try:
        await client.ping()
    except (OSError, TimeoutError, RedisError) as error:
        raise Problem(f"The Redis server of REDIS_URL cannot be used: {_reason(error)}.") from error
    finally:
        await client.aclose()


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or "it does not answer in time"
