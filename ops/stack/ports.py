"""Ports of the local stack: published ones at fixed offsets from a base, the others chosen by the system."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ops.problems import Problem

LOOPBACK = "127.0.0.1"
DEFAULT_BASE = 8080

_STEP = 10
_TRIES = 200
_OFFSETS = {"admin": 1, "portal": 2, "audit": 3, "mailbox": 5, "smtp": 6}
_HIGHEST_BASE = 65_535 - max(_OFFSETS.values())


@dataclass(frozen=True, slots=True)
class Ports:
    """The published ports of one stack."""

    base: int

    @property
    def admin(self) -> int:
        """Staff pages and API."""
        return self.base + _OFFSETS["admin"]

    @property
    def portal(self) -> int:
        """Client pages and API."""
        return self.base + _OFFSETS["portal"]

    @property
    def audit(self) -> int:
        """Activity and change-log API."""
        return self.base + _OFFSETS["audit"]

    @property
    def mailbox(self) -> int:
        """The page that shows caught mail."""
        return self.base + _OFFSETS["mailbox"]

    @property
    def smtp(self) -> int:
        """Where mail is caught."""
        return self.base + _OFFSETS["smtp"]


class Reservation:
    """Ports that nobody else gets while this is open, though our services (``SO_REUSEPORT``) can bind them."""

    def __init__(self, ports: Ports, held: list[socket.socket]) -> None:
        self.ports = ports
        self._held = held

    def close(self) -> None:
        """Let go of the ports."""
        for held in self._held:
            held.close()


def reserve(base: int | None, *, mailbox: bool, say: Callable[[str], None]) -> Reservation:
    """Take the ports of ``base``, or of the next free base from the default on, which ``say`` then tells.

    Without a ``mailbox`` its two ports are left alone. Raises Problem when an explicit base is not free.
    """
    names = [name for name in _OFFSETS if mailbox or name not in ("mailbox", "smtp")]
    if base is not None:
        if not 1 <= base <= _HIGHEST_BASE:
            raise Problem(f"--port-base must be from 1 to {_HIGHEST_BASE}, not {base}.")
        return Reservation(Ports(base), _hold([base + _OFFSETS[name] for name in names]))
    obstacle: Problem | None = None
    for candidate in range(DEFAULT_BASE, DEFAULT_BASE + _STEP * _TRIES, _STEP):
        try:
            held = _hold([candidate + _OFFSETS[name] for name in names])
        except Problem as problem:
            obstacle = obstacle or problem
            continue
        if obstacle is not None:
            say(f"{obstacle} Taking the next free ports, from {candidate} on.")
        return Reservation(Ports(candidate), held)
    raise Problem("No free ports were found: name some with --port-base.")


def free_port(host: str = LOOPBACK) -> int:
    """A loopback port that is free now. Another process may take it before it is bound: retry on that failure."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _hold(ports: list[int]) -> list[socket.socket]:
    held: list[socket.socket] = []
    try:
        for port in ports:
            _require_free(port)
            holder = _bound_holder(port)
            if holder is not None:
                held.append(holder)
    except BaseException:
        for holder in held:
            holder.close()
        raise
    return held


def _require_free(port: int) -> None:
    # The name localhost means both addresses: a stranger on either would answer in our place.
    for family, host in ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                # Connections of an earlier run that linger in TIME_WAIT do not count as taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Problem(f"Port {port} is taken by another program.") from error
            if error.errno == errno.EACCES:
                raise Problem(f"Port {port} may only be used by root: choose a higher --port-base.") from error
            if family == socket.AF_INET:
                raise Problem(f"Port {port} cannot be used: {error.strerror}.") from error
            # A machine without IPv6 is fine.


def _bound_holder(port: int) -> socket.socket | None:
    """Bind without listening: refuses connections, keeps other stacks off, and our services may share the port.

    Only where the system passes connections to listening sockets alone; None elsewhere, and when the port lingers.
    """
    if sys.platform != "linux":
        return None
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        return None
    return holder
