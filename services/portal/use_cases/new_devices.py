"""The owner of a portal login is told when somebody signs in with a browser, or a program, that was not used before."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Final, Protocol

from shared.accounts import sessions, sign_in_budgets
from shared.accounts.access import Origin
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries import store as deliveries
from shared.http.devices import device_of
from shared.outbox import Transaction

# Some people's browsers forget all cookies every day, and nobody reads the twentieth e-mail.
_MOST: Final = 3
_MOST_WITHIN: Final = timedelta(days=1)
# What is named is a provider's area, and no household.
_SHOWN_BITS: Final = {4: 16, 6: 32}


class TellsOfDevices(Protocol):
    """Puts the e-mail into the queue."""

    async def new_device(
        self, tx: Transaction, login: PortalLogin, agency: Agency, *, device: str, address: str | None
    ) -> None:
        """With the device in words, and the address that it came from."""


async def tell(tx: Transaction, mails: TellsOfDevices, agency: Agency, login: PortalLogin, origin: Origin) -> None:
    """Mail the owner, unless the device is known or is the first; three times a day at most.

    To be called before the session begins, which makes the device a known one. Whoever has just chosen a password is
    not told: the e-mail about that says as much.
    """
    if not agency.notice_of_new_device or not await _is_new(tx, login, origin):
        return
    _, sent = await deliveries.sent_since(tx.conn, login.id, "new_device", tx.now - _MOST_WITHIN)
    if sent < _MOST:
        await mails.new_device(tx, login, agency, device=device_of(origin.user_agent), address=origin.address)


async def _is_new(tx: Transaction, login: PortalLogin, origin: Origin) -> bool:
    if origin.device is not None and await sign_in_budgets.known(tx.conn, "portal", login.id, origin.device):
        return False
    this_program, any_program = await sessions.program_known(tx.conn, login.id, origin.user_agent)
    # A program has no cookie to be known by: one of the same name is taken for the same.
    if origin.device is None and this_program:
        return False
    return any_program or await sign_in_budgets.any_known(tx.conn, "portal", login.id)


def coarse(address: str | None) -> str:
    """The area of an address, for an e-mail: ``198.51.x.x``, ``2001:db8:...``; empty when nothing is known."""
    if address is None:
        return ""
    found = ip_address(address)
    if found.version == 6 and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    network = ip_network((found, _SHOWN_BITS[found.version]), strict=False)
    if found.version == 4:
        return ".".join(str(network.network_address).split(".")[:2]) + ".x.x"
    return ":".join(network.network_address.exploded.split(":")[:2]) + ":..."
