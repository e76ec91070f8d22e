"""What aiosmtplib does alone: mails as fast as some connections carry them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from aiosmtplib import SMTP

from ops.bench.child import Bench, play
from ops.stack.ports import LOOPBACK


async def _send(smtp: SMTP, mails: Iterator[tuple[str, bytes]], sender: str) -> None:
    for recipient, content in mails:
        await smtp.sendmail(sender, [recipient], content)


async def send(bench: Bench, told: Mapping[str, Any]) -> None:
    """``told``: the port, connections, the sender, recipients, and the content of every mail."""
    clients = [
        SMTP(hostname=LOOPBACK, port=told["port"], start_tls=False, use_tls=False) for _ in range(told["connections"])
    ]
    content = str(told["content"]).encode()
    for smtp in clients:
        await smtp.connect()
        await smtp.ehlo()
    try:
        await bench.ready()
        mails = iter([(recipient, content) for recipient in told["recipients"]])
        await asyncio.gather(*(_send(smtp, mails, told["sender"]) for smtp in clients))
        bench.say(sent=True)
        await bench.hear()
    finally:
        for smtp in clients:
            smtp.close()


if __name__ == "__main__":
    play(send)
