"""An IMAP server over TLS with one account, as much of one as reading a mailbox for returned mail takes."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

USERNAME, PASSWORD = "bounces@portico.example", "mailbox-pass-7"


@dataclass(slots=True)
class Account:
    """Folders with mails by number, those marked as deleted, and every line that was said to us."""

    folders: dict[str, dict[int, bytes]] = field(default_factory=lambda: {"INBOX": {}})
    deleted: set[int] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    port: int = 0

    def put(self, raw: bytes) -> None:
        inbox = self.folders["INBOX"]
        inbox[max(inbox, default=0) + 1] = raw

    def answer(self, words: list[str]) -> tuple[bytes, str]:
        """What to send before the last line, and that line without its tag."""
        inbox = self.folders["INBOX"]
        match [word.upper() for word in words[:2]]:
            case ["LOGIN", _]:
                right = words[1:] == [USERNAME, PASSWORD]
                return b"", f"OK hello {USERNAME}" if right else f"NO {USERNAME}, that was wrong"
            case ["CREATE", _]:
                if words[1] in self.folders:
                    return b"", "NO there"
                self.folders[words[1]] = {}
            case ["SELECT", _]:
                return b"* %d EXISTS\r\n" % len(inbox), "OK" if words[1] in self.folders else "NO"
            case ["EXPUNGE"]:
                self.folders["INBOX"] = {n: raw for n, raw in inbox.items() if n not in self.deleted}
            case ["CAPABILITY"]:
                return b"* CAPABILITY IMAP4rev1\r\n", "OK"
            case ["LOGOUT"]:
                return b"* BYE\r\n", "OK"
            case ["UID", "SEARCH"]:
                left = " ".join(str(n) for n in inbox if n not in self.deleted)
                return f"* SEARCH {left}\r\n".encode(), "OK"
            case ["UID", "FETCH"]:
                return self._fetch(int(words[2]), inbox[int(words[2])], " ".join(words[3:])), "OK"
            case ["UID", "COPY"]:
                self.folders[words[3]][int(words[2])] = inbox[int(words[2])]
            case ["UID", "STORE"]:
                self.deleted.add(int(words[2]))
            case _:
                return b"", "BAD what"
        return b"", "OK"

    @staticmethod
    def _fetch(number: int, raw: bytes, what: str) -> bytes:
        if "SIZE" in what:
            return b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (number, number, len(raw))
        return b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (number, number, len(raw)) + raw + b")\r\n"


@asynccontextmanager
async def imap_server(tls: ssl.SSLContext) -> AsyncIterator[Account]:
    """The server, for as long as the context is open."""
    account = Account()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        while line := (await reader.readline()).decode().strip():
            account.said.append(line)
            tag, *words = (a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', line))
            before, last = account.answer(words)
            writer.write(before + f"{tag} {last} is what I say\r\n".encode())
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    account.port = server.sockets[0].getsockname()[1]
    try:
        yield account
    finally:
        server.close()
