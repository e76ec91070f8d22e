"""The whole stack on this machine: servers, migrations, sample data, services, in this order and back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ops import sample
from ops.migrate import migrate_all
from ops.problems import Problem
from ops.stack import environment, ports
from ops.stack.account import owner_name
from ops.stack.backends import Servers, UpSettings
from ops.stack.environment import SERVICES, StackEnvironment, inheritable, public_url, without_user
from ops.stack.files import make_folder
from ops.stack.lock import DataLock
from ops.stack.placement import Place, place_for
from ops.stack.process import rotate
from ops.stack.report import Addresses, ReadyFile, Teller, summary
from ops.stack.secrets import DemoPasswords, Secrets
from ops.stack.service import ServiceProcess
from ops.stack.supervisor import Supervisor
from ops.stack.watchdog import Watchdog
from ops.stack.watchdog_main import MARKER, kill_marked

_MAILBOX_RANK = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line. ``replicas`` names the number of processes where it is not one."""

    data: Path
    demo: bool = False
    port_base: int | None = None
    replicas: Mapping[str, int] = field(default_factory=dict)
    ready_file: Path | None = None


class LocalStack:
    """Everything that one `portico up` runs. ``inherited`` is the environment that children take over."""

    def __init__(
        self, options: Options, settings: UpSettings, inherited: Mapping[str, str], teller: Teller, hurry: asyncio.Event
    ) -> None:
        self._options = options
        self._settings = settings
        self._inherited = inheritable(inherited)
        self._teller = teller
        self._hurry = hurry
        self._logs = options.data / "logs"
        self._ready_file = ReadyFile(options.ready_file)
        self._supervisor = Supervisor(say=teller.warn, changed=self._pids_changed)

    async def run(self) -> None:
        """Start everything, tell where it is, and keep it running until this task is cancelled."""
        async with AsyncExitStack() as cleanup:
            lock = await cleanup.enter_async_context(self._own_data())
            stored = Secrets.of(self._options.data)
            kill_marked(stored.instance)
            watchdog = cleanup.enter_context(Watchdog(stored.instance, keep_open=(lock.descriptor,)))
            cleanup.callback(environment.forget, self._options.data)
            self._ready_file.remove()
            reserved = ports.reserve(
                self._options.port_base, mailbox=self._settings.smtp_url is None, say=self._teller.say
            )
            cleanup.callback(reserved.close)
            cleanup.push_async_callback(self._stop)
            agencies, stack = await self._start(stored, reserved.ports, watchdog)
            self._announce(stack, agencies)
            await asyncio.Event().wait()

    @asynccontextmanager
    async def _own_data(self) -> AsyncIterator[DataLock]:
        data = self._options.data
        try:
            _require_own(data / "secrets.json")
            # The servers' account must pass through when it is not ours; every file inside is closed by itself.
            make_folder(data, 0o711 if os.geteuid() == 0 else 0o700)
            make_folder(self._logs, 0o700)
            lock = DataLock(data, self._teller.say)
            await lock.__aenter__()
        except OSError as error:
            raise Problem(f"{error.filename or data} cannot be used: {error.strerror}.") from error
        try:
            yield lock
        finally:
            await lock.__aexit__(None, None, None)

    async def _start(
        self, stored: Secrets, published: ports.Ports, watchdog: Watchdog
    ) -> tuple[list[Mapping[str, Any]], StackEnvironment]:
        for log in self._logs.glob("*.log"):
            rotate(log)
        place = place_for(self._options.data)
        self._tell_place(place)
        servers = Servers.needed(self._settings, place=place, secrets=stored, logs=self._logs, watchdog=watchdog)
        if servers.units:
            self._teller.say(f"Starting {' and '.join(unit.service for unit in servers.units)}")
        await self._supervisor.start(*servers.units)
        stack = StackEnvironment(
            backends=await servers.backends(published),
            secrets=stored,
            ports=published,
            log_level=self._settings.log_level,
            trusted_proxies=",".join(str(network) for network in self._settings.trusted_proxies),
            mail_from=self._settings.mail_from,
        )
        if self._settings.smtp_url is None:
            await self._supervisor.start(self._mailbox(stack, watchdog))
        self._teller.say("Applying migrations")
        await migrate_all(stack.of_migrations())
        environment.store(self._options.data, stack.of_operator())
        agencies = await self._load_sample(stack) if self._options.demo else []
        self._teller.say(f"Starting {', '.join(SERVICES)}")
        await self._supervisor.start(*self._services(stack, watchdog))
        return agencies, stack

    async def _stop(self) -> None:
        self._teller.say("Stopping")
        self._ready_file.remove()
        await self._supervisor.stop(self._hurry)
        self._teller.say("Stopped")

    def _tell_place(self, place: Place) -> None:
        if place.moved and None in (self._settings.database_url, self._settings.redis_url):
            self._teller.say(
                f"The servers do not run as root, and the user {place.account.name} cannot reach {self._options.data}:"
                f" their data is in {place.folder}"
            )

    async def _load_sample(self, stack: StackEnvironment) -> list[Mapping[str, Any]]:
        self._teller.say("Loading sample data")
        loaded = await sample.load(stack.of_operator(), DemoPasswords(stack.secrets))
        return list(loaded["agencies"])

    def _services(self, stack: StackEnvironment, watchdog: Watchdog) -> list[ServiceProcess]:
        return [
            ServiceProcess(
                service=service,
                number=number,
                module=f"services.{service}",
                settings=partial(self._service_environment, stack, service),
                logs=self._logs,
                watchdog=watchdog,
            )
            for service in SERVICES
            for number in range(1, self._options.replicas.get(service, 1) + 1)
        ]

    def _service_environment(self, stack: StackEnvironment, service: str, probe_port: int) -> dict[str, str]:
        return self._child(stack, stack.of_service(service, probe_port))

    def _mailbox(self, stack: StackEnvironment, watchdog: Watchdog) -> ServiceProcess:
        told = {
            "HOST": ports.LOOPBACK,
            "PORT": str(stack.ports.mailbox),
            "SMTP_PORT": str(stack.ports.smtp),
            "PUBLIC_URL": public_url(stack.ports.mailbox),
            "LOG_LEVEL": self._settings.log_level,
            "MAIL_FOLDER": str(self._options.data / "mailbox"),
            "REUSE_PORT": "true",
        }
        return ServiceProcess(
            service="mailbox",
            number=1,
            module="ops.mailbox",
            settings=lambda _: self._child(stack, told),
            logs=self._logs,
            watchdog=watchdog,
            rank=_MAILBOX_RANK,
            ready_url=f"http://{ports.LOOPBACK}:{stack.ports.mailbox}/readyz",
        )

    def _child(self, stack: StackEnvironment, told: Mapping[str, str]) -> dict[str, str]:
        return {**self._inherited, "PYTHONUNBUFFERED": "1", MARKER: stack.secrets.instance, **told}

    def _announce(self, stack: StackEnvironment, agencies: list[Mapping[str, Any]]) -> None:
        addresses = self._addresses(stack)
        self._ready_file.write(
            {
                "admin_url": addresses.admin_url,
                "portal_url": addresses.portal_url,
                "audit_url": addresses.audit_url,
                "mailbox_url": addresses.mailbox_url,
                "smtp": addresses.smtp,
                "database_url": stack.backends.owner_url,
                "redis_url": stack.backends.redis_url,
                "agencies": agencies,
                "pids": self._supervisor.pids(),
                "probes": self._probes(),
                "data": str(self._options.data),
            }
        )
        self._teller.show(summary(addresses, agencies, data=self._options.data, logs=self._logs))

    def _addresses(self, stack: StackEnvironment) -> Addresses:
        published = stack.ports
        mailbox = self._settings.smtp_url is None
        return Addresses(
            admin_url=public_url(published.admin),
            portal_url=public_url(published.portal),
            audit_url=public_url(published.audit),
            mailbox_url=public_url(published.mailbox) if mailbox else None,
            smtp=f"smtp://localhost:{published.smtp}" if mailbox else without_user(stack.backends.smtp_url),
        )

    def _probes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for unit in self._supervisor.units:
            if isinstance(unit, ServiceProcess) and unit.probe_url is not None:
                found.setdefault(unit.service, []).append(unit.probe_url)
        return found

    def _pids_changed(self) -> None:
        self._ready_file.update(pids=self._supervisor.pids(), probes=self._probes())


def _require_own(path: Path) -> None:
    if path.exists() and path.stat().st_uid != os.geteuid():
        raise Problem(
            f"{path.parent} belongs to the user {owner_name(path)}: run this as that user, or choose another --data."
        )
