"""The mail servers that mails go through: the operator's, and those that agencies have of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.notifier.mailer import Mailer, SmtpServer
from shared.accounts import email_settings
from shared.accounts.email_settings import SealedPassword, SendingSettings
from shared.clock import Clock
from shared.db import Connection, Pool
from shared.deliveries import sealing_keys
from shared.deliveries.sealing import CannotOpen, Opener, Sealer
from shared.mail_reach import Network

_NOTHING_SAID: Final = SendingSettings()


class PasswordUnreadable(Exception):
    """The password of an agency's mail server is sealed for a key that is not here, or damaged."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What an agency says about its e-mails at this moment."""

    agency_id: UUID
    settings: SendingSettings = _NOTHING_SAID

    @property
    def own_server(self) -> bool:
        """Whether they go through a mail server of the agency's own."""
        return self.settings.host is not None


class Servers:
    """Gives the mailer of each agency. Those of agencies' own servers are made when they are needed first."""

    def __init__(
        self,
        operators: Mailer,
        opener: Opener,
        *,
        make: Callable[[SmtpServer], Mailer],
        inside: tuple[Network, ...] = (),
        reserved: tuple[str, ...] = (),
    ) -> None:
        """``inside``: networks in which agencies' servers may be besides public addresses. ``reserved``: domains whose
        addresses agencies' admins may not choose as senders, since they speak for whoever runs this."""
        self._operators = operators
        self._opener = opener
        self._make = make
        self._inside = inside
        self._reserved = reserved
        # A mailer is good for the settings that it was made of; others take its place.
        self._own: dict[UUID, tuple[SendingSettings, Mailer]] = {}

    async def channel_of(self, conn: Connection, agency_id: UUID) -> Channel:
        """What the agency says: read for each mail, so that a change is good from the next one on."""
        return Channel(agency_id, await email_settings.for_notifier(conn, agency_id) or _NOTHING_SAID)

    def may_send_as(self, sender: str) -> bool:
        """Whether an agency's admin may have chosen this address."""
        domain = sender.rpartition("@")[2].lower()
        return not any(domain == held or domain.endswith(f".{held}") for held in self._reserved)

    async def mailer_of(self, channel: Channel) -> Mailer:
        """Whoever hands its mails over. Raises PasswordUnreadable."""
        if not channel.own_server:
            await self._put(channel.agency_id, None)
            return self._operators
        known = self._own.get(channel.agency_id)
        if known is not None and known[0] == channel.settings:
            return known[1]
        mailer = self._make(self._server(channel.settings))
        await self._put(channel.agency_id, (channel.settings, mailer))
        return mailer

    async def close(self) -> None:
        """Part from all mail servers."""
        for mailer in (self._operators, *(mailer for _, mailer in self._own.values())):
            await mailer.close()

    async def _put(self, agency_id: UUID, new: tuple[SendingSettings, Mailer] | None) -> None:
        old = self._own.pop(agency_id, None)
        if new is not None:
            self._own[agency_id] = new
        if old is not None:
            await old[1].close()

    def _server(self, settings: SendingSettings) -> SmtpServer:
        if settings.host is None or settings.port is None or settings.security is None:
            raise ValueError("the agency has no mail server of its own")
        try:
            password = self._opener.open(settings.sealed_password) if settings.sealed_password else None
        except CannotOpen as error:
            raise PasswordUnreadable from error
        return SmtpServer(
            settings.host,
            settings.port,
            settings.security,
            username=settings.username,
            password=password,
            inside=self._inside,
        )


async def seal_anew(pool: Pool, opener: Opener, clock: Clock) -> None:
    """Put passwords that are in boxes of older keys into boxes of the newest, so that the older ones can go.

    A password waits for years and a key changes every few months. What another notifier has to open stays as it is.
    """
    async with pool.transaction(None) as conn:
        public_key = await sealing_keys.newest(conn, clock())
        if public_key is None:
            return
        sealer = Sealer.of(public_key)
        for agency_id, box in await email_settings.sealed_for_others(conn, sealer.sealed_for):
            try:
                password = opener.open(box)
            except CannotOpen:
                continue
            await email_settings.reseal(conn, agency_id, box, SealedPassword(sealer.seal(password), sealer.sealed_for))
