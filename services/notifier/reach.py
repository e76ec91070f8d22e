"""A connection to a mail server that an agency named: only to addresses that it may have us go to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from shared.mail_reach import Network, may_be_reached


class NotReachable(Exception):
    """Every address of the server is one that may not be used."""


async def connected(host: str, port: int, allowed: Sequence[Network]) -> socket.socket:
    """A socket to the first address of ``host`` that answers. Raises NotReachable, OSError.

    The name is looked up once, and the connection goes to what was looked at: an answer that changes in between, as
    whoever owns the name can arrange it, leads nowhere.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    fits = [entry for entry in found if may_be_reached(str(entry[4][0]), port, allowed)]
    if not fits:
        raise NotReachable
    trouble: OSError | None = None
    for family, kind, protocol, _, address in fits:
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, address)
        except OSError as error:
            opened.close()
            trouble = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise trouble or OSError("no address")
