"""`portico bounces`: read returned e-mails, and stop sending where nothing arrives."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer

from ops.audit.databases import DataFolder, problems_told
from ops.bounces.mailboxes import ImapMailbox, Mailbox, Maildir
from ops.bounces.taking import take_all
from ops.problems import Problem
from ops.settings import required, setting
from ops.stack import environment
from shared.clock import system_clock
from shared.db import Pool, Unavailable
from shared.deliveries.return_paths import ReturnTokens
from shared.outbox import Work

_AWAY: Final[tuple[type[BaseException], ...]] = (Problem, *Unavailable)
_WORDS: Final = {
    "recorded": "came back",
    "known": "known already",
    "automatic": "automatic answers",
    "not_ours": "not about an e-mail of ours",
    "unclear": "not understood",
}


def bounces(
    maildir: Annotated[
        Path | None, typer.Option("--maildir", help="The Maildir to read, where BOUNCE_MAILDIR does not name it.")
    ] = None,
    imap: Annotated[
        bool,
        typer.Option(
            "--imap", help="Read the mailbox of BOUNCE_IMAP_URL, or of the file that BOUNCE_IMAP_URL_FILE names."
        ),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, until it is stopped.")] = False,
    every: Annotated[float, typer.Option("--every", min=1, help="With --watch: seconds between two looks.")] = 60,
    data: DataFolder = Path(".portico"),
) -> None:
    """Read returned e-mails, record what came back, and stop sending to addresses at which nothing arrives.

    What was handled is moved into the folder Portico-handled, everything else into Portico-unclear, where a person
    should look at it. It may be stopped at any moment, and run twice: what is known already says nothing new.
    """
    with problems_told():
        asyncio.run(_run(_mailbox(maildir, imap=imap), _tokens(), data, every=every if watch else None))


def _mailbox(maildir: Path | None, *, imap: bool) -> Mailbox:
    if imap and maildir is not None:
        raise Problem("Choose one of --maildir and --imap.")
    if imap:
        return ImapMailbox.at(required("BOUNCE_IMAP_URL"), setting("BOUNCE_IMAP_CA"))
    found = maildir or (Path(named) if (named := setting("BOUNCE_MAILDIR")) else None)
    if found is None:
        raise Problem("Say where returned e-mails arrive: --maildir, BOUNCE_MAILDIR, or --imap with BOUNCE_IMAP_URL.")
    return Maildir(found)


def _tokens() -> ReturnTokens | None:
    keys = setting("BOUNCE_KEY")
    try:
        return ReturnTokens(keys) if keys else None
    except ValueError as error:
        raise Problem(f"BOUNCE_KEY can't be used: {error}.") from None


async def _run(mailbox: Mailbox, tokens: ReturnTokens | None, data: Path, *, every: float | None) -> None:
    url = setting("DATABASE_URL") or environment.load(data)["DATABASE_URL"]
    pool = await Pool.open(url, size=1, application_name="portico-bounces")
    try:
        work = Work(pool, system_clock, table="accounts.outbox")
        while True:
            await _round(work, mailbox, tokens, once=every is None)
            if every is None:
                return
            await asyncio.sleep(every)
    finally:
        await pool.close()


async def _round(work: Work, mailbox: Mailbox, tokens: ReturnTokens | None, *, once: bool) -> None:
    try:
        counts = await take_all(work, mailbox, tokens)
    except _AWAY as error:
        if once:
            raise
        # For a while: the mails wait where they are.
        typer.echo(f"portico: {error or type(error).__name__}", err=True)
        return
    if once or counts.total():
        typer.echo(_told(counts))


def _told(counts: Counter[str]) -> str:
    parts = [f"{counts[name]} {words}" for name, words in _WORDS.items() if counts[name]]
    return f"{counts.total()} mails read{': ' if parts else ''}{', '.join(parts)}."
