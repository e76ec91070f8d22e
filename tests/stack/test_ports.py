"""Published ports: fixed offsets, the next free base, and one sentence when an explicit one is taken."""

from __future__ import annotations

import socket

import pytest

from ops.problems import Problem
from ops.stack import ports
from ops.stack.ports import Ports, reserve


def listener(port: int, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    taken = socket.socket(family)
    # As servers do, so that their connections may linger.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1" if family == socket.AF_INET else "::1", port))
    taken.listen()
    return taken


def test_ports_lie_at_their_offsets(base: int) -> None:
    found = Ports(base)
    assert (found.admin, found.portal, found.audit, found.mailbox, found.smtp) == tuple(
        base + offset for offset in (1, 2, 3, 5, 6)
    )


@pytest.mark.parametrize("offset", [1, 2, 3, 5, 6])
def test_an_explicit_base_that_is_taken_names_the_port(base: int, offset: int) -> None:
    with listener(base + offset), pytest.raises(Problem, match=f"Port {base + offset} is taken by another program"):
        reserve(base, mailbox=True, say=print)


def test_the_mailbox_ports_do_not_matter_without_a_mailbox(base: int) -> None:
    with listener(base + 5):
        reserve(base, mailbox=False, say=print).close()


def test_two_stacks_never_share_a_base(base: int) -> None:
    first = reserve(base, mailbox=True, say=print)
    try:
        with pytest.raises(Problem, match="is taken"):
            reserve(base, mailbox=True, say=print)
    finally:
        first.close()
    reserve(base, mailbox=True, say=print).close()


def test_our_services_can_use_a_reserved_port_and_nobody_is_kept_waiting(base: int) -> None:
    reserved = reserve(base, mailbox=True, say=print)
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", base + 1), timeout=2)
        with socket.socket() as service:
            service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            service.bind(("127.0.0.1", base + 1))
            service.listen()
            for _ in range(20):
                socket.create_connection(("127.0.0.1", base + 1), timeout=2).close()
    finally:
        reserved.close()


def test_without_a_base_the_next_free_one_is_taken_and_told(base: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "DEFAULT_BASE", base)
    said: list[str] = []
    with listener(base + 2):
        found = reserve(None, mailbox=True, say=said.append)
    found.close()
    assert found.ports.base > base
    assert (found.ports.base - base) % 10 == 0
    assert said == [
        f"Port {base + 2} is taken by another program. Taking the next free ports, from {found.ports.base} on."
    ]


def test_a_free_default_base_is_taken_without_a_word(base: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "DEFAULT_BASE", base)
    said: list[str] = []
    found = reserve(None, mailbox=True, say=said.append)
    found.close()
    assert (found.ports.base, said) == (base, [])


def test_a_stranger_on_the_other_loopback_address_counts(base: int) -> None:
    try:
        taken = listener(base + 1, socket.AF_INET6)
    except OSError:
        # A machine without IPv6 has no other address.
        return
    with taken, pytest.raises(Problem, match="is taken"):
        reserve(base, mailbox=True, say=print)


def test_connections_that_linger_do_not_count(base: int) -> None:
    with listener(base + 1) as server:
        client = socket.create_connection(("127.0.0.1", base + 1))
        accepted, _ = server.accept()
        # The side that closes first is the one that lingers.
        accepted.close()
        client.close()
    reserve(base, mailbox=True, say=print).close()


@pytest.mark.parametrize("wrong", [0, -1, 65_530, 70_000])
def test_a_base_out_of_range_is_told(wrong: int) -> None:
    with pytest.raises(Problem, match="--port-base must be from 1 to 65529"):
        reserve(wrong, mailbox=True, say=print)
