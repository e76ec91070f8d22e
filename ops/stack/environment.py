"""What each process of the stack is told: settings in its environment, and the same for an operator's command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from ops.problems import Problem
from ops.stack.files import write_private
from ops.stack.key_folder import target
from ops.stack.ports import LOOPBACK, Ports
from ops.stack.secrets import DATABASE_ROLES, Secrets

SERVICES = ("audit", "admin", "portal", "notifier")

_FILE = "environment.json"
_THIS_MACHINE = "127.0.0.0/8,::1/128"

# Names that a child gets from here and never by inheritance, by themselves or with _FILE.
_OURS = frozenset(
    {
        *("DATABASE_URL", "RELAY_DATABASE_URL", "AUDIT_DATABASE_URL", "OWNER_DATABASE_URL", "REDIS_URL"),
        *("CELERY_BROKER_URL", "SIGNING_KEY", "SEALING_PUBLIC_KEY", "SEALING_PRIVATE_KEY", "SMTP_URL", "SMTP_SECURITY"),
        *("SEAL_KEY", "SEAL_PUBLIC_KEY", "SEALS_FILE", "BOX_KEYS", "KEYS_FOLDER"),
        *("HOST", "PORT", "SMTP_PORT", "PROBE_HOST", "PROBE_PORT", "PUBLIC_URL", "AUDIT_URL", "PORTAL_URL"),
        *(
            "LOG_LEVEL",
            "LOG_FORMAT",
            "TRUSTED_PROXIES",
            "SHARED_NETWORKS",
            "MAIL_FROM",
            "MAIL_FOLDER",
            "SMTP_ALLOWED_NETWORKS",
            "REUSE_PORT",
            "HEARTBEAT_FILE",
        ),
        *(f"{role.upper()}_DB_PASSWORD" for role in DATABASE_ROLES),
    }
)


@dataclass(frozen=True, slots=True)
class Backends:
    """The servers that the stack uses, embedded or real. ``owner_url`` and ``audit_owner_url`` may change schemas."""

    owner_url: str = field(repr=False)
    audit_owner_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    smtp_url: str = field(repr=False)
    smtp_security: str | None


@dataclass(frozen=True, slots=True)
class StackEnvironment:
    """Everything that the processes' settings are made of."""

    backends: Backends
    secrets: Secrets
    ports: Ports
    log_level: str
    trusted_proxies: str
    mail_from: str

    def database_url(self, role: str) -> str:
        """The accounts database as seen by the role ``portico_<role>``."""
        return role_url(self.backends.owner_url, role, self.secrets.database_passwords[role])

    def audit_database_url(self) -> str:
        """The audit store's database as seen by the audit service."""
        return role_url(self.backends.audit_owner_url, "audit", self.secrets.database_passwords["audit"])

    @property
    def _seals_file(self) -> Path:
        # Beside the servers' data, which their own account writes: the database can't reach it.
        return self.secrets.path.parent / "seals.jsonl"

    def of_service(self, service: str, probe_port: int) -> dict[str, str]:
        """The settings of one process of ``service``."""
        common = {
            "LOG_LEVEL": self.log_level,
            "LOG_FORMAT": "json",
            "TRUSTED_PROXIES": self.trusted_proxies,
            # Whoever tries this out does so from this machine, as everybody.
            "SHARED_NETWORKS": _THIS_MACHINE,
            "HOST": LOOPBACK,
            "PROBE_HOST": LOOPBACK,
            "PROBE_PORT": str(probe_port),
            "DATABASE_URL": self.database_url(service),
            "REDIS_URL": self.backends.redis_url,
        }
        own = {"admin": self._admin, "portal": self._portal, "audit": self._audit, "notifier": self._notifier}
        return common | own[service]()

    def of_migrations(self) -> dict[str, str]:
        """What `portico migrate` needs."""
        passwords = {f"{r.upper()}_DB_PASSWORD": self.secrets.database_passwords[r] for r in DATABASE_ROLES}
        return passwords | {
            "DATABASE_URL": self.backends.owner_url,
            "AUDIT_DATABASE_URL": self.backends.audit_owner_url,
        }

    def of_operator(self) -> dict[str, str]:
        """What a command needs that works on the running stack: those of the admin service, and the owner's URLs."""
        return self._admin() | {
            "DATABASE_URL": self.database_url("admin"),
            "OWNER_DATABASE_URL": self.backends.owner_url,
            "AUDIT_OWNER_DATABASE_URL": self.backends.audit_owner_url,
            "AUDIT_DATABASE_URL": self.audit_database_url(),
            "REDIS_URL": self.backends.redis_url,
            "SEAL_PUBLIC_KEY": self.secrets.seal_public_key,
            "SEALS_FILE": str(self._seals_file),
            "KEYS_FOLDER": str(self.secrets.keys.path),
        }

    def _key_file(self, name: str) -> str:
        # A file, so that it can change while the process runs.
        return str(self.secrets.keys.file(target(name)))

    def _publisher(self, service: str, port: int | None) -> dict[str, str]:
        traffic = {} if port is None else {"PORT": str(port), "PUBLIC_URL": public_url(port)}
        return traffic | {
            "RELAY_DATABASE_URL": self.database_url("relay"),
            "CELERY_BROKER_URL": self.backends.broker_url,
            "SIGNING_KEY_FILE": self._key_file(service),
            "AUDIT_URL": f"http://{LOOPBACK}:{self.ports.audit}",
        }

    def _admin(self) -> dict[str, str]:
        return self._publisher("admin", self.ports.admin) | {
            "SEALING_PUBLIC_KEY": self.secrets.keys.sealing_public_key,
            "BOX_KEYS_FILE": self._key_file("admin-boxes"),
            "PORTAL_URL": public_url(self.ports.portal),
            "SMTP_ALLOWED_NETWORKS": _THIS_MACHINE,
        }

    def _portal(self) -> dict[str, str]:
        return self._publisher("portal", self.ports.portal) | {
            "SEALING_PUBLIC_KEY": self.secrets.keys.sealing_public_key,
            "BOX_KEYS_FILE": self._key_file("portal-boxes"),
        }

    def _audit(self) -> dict[str, str]:
        return {
            "PORT": str(self.ports.audit),
            "PUBLIC_URL": public_url(self.ports.audit),
            "AUDIT_DATABASE_URL": self.audit_database_url(),
            "SEAL_KEY": self.secrets.seal_key,
            "SEALS_FILE": str(self._seals_file),
        }

    def _notifier(self) -> dict[str, str]:
        security = self.backends.smtp_security
        return self._publisher("notifier", None) | {
            "SEALING_PRIVATE_KEY_FILE": self._key_file("sealing"),
            "SMTP_URL": self.backends.smtp_url,
            "MAIL_FROM": self.mail_from,
            "SMTP_ALLOWED_NETWORKS": _THIS_MACHINE,
            **({} if security is None else {"SMTP_SECURITY": security}),
        }


def public_url(port: int) -> str:
    """Where people find what listens on ``port``. A name, since passkeys do not work with addresses."""
    return f"http://localhost:{port}"


def role_url(owner_url: str, role: str, password: str) -> str:
    """The same server and database for the role ``portico_<role>``."""
    url = urlsplit(owner_url)
    where = url.netloc.rpartition("@")[2]
    return urlunsplit(url._replace(netloc=f"portico_{role}:{quote(password, safe='')}@{where}"))


def without_user(url: str) -> str:
    """Scheme, host and port alone."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def broker_url(redis_url: str) -> str:
    """Celery's database on the same server: the one after that of the events."""
    url = urlsplit(redis_url)
    database = int(url.path.strip("/") or "0")
    return urlunsplit(url._replace(path=f"/{database + 1}"))


def inheritable(environ: Mapping[str, str]) -> dict[str, str]:
    """What a child may take over from our own environment: all but the settings that we decide, and their files."""
    return {name: value for name, value in environ.items() if not {name, name.removesuffix("_FILE")} & _OURS}


def store(data: Path, environment: Mapping[str, str]) -> None:
    """Leave the settings for operators' commands in ``data``, readable by their owner only."""
    write_private(data / _FILE, json.dumps(dict(environment), indent=1))


def forget(data: Path) -> None:
    """Take the settings back: nothing answers there any more."""
    (data / _FILE).unlink(missing_ok=True)


def load(data: Path) -> dict[str, str]:
    """The settings of the stack that runs on ``data``. Raises Problem when none does, or it is somebody else's."""
    try:
        stored: dict[str, str] = json.loads((data / _FILE).read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise Problem(f"No stack runs on {data}: start one with `portico up --data {data}`.") from None
    except PermissionError:
        raise Problem(f"{data / _FILE} may not be read: run this command as the user of `portico up`.") from None
    return stored
