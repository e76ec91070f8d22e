"""The whole product, started as a user starts it: `portico up --demo` on a data folder and ports of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
_START_SECONDS = 120

TEMPORARY_PASSWORD = r"\b[A-Za-z2-9]{5}(?:-[A-Za-z2-9]{5}){3}\b"
"""How a mail shows one."""


@dataclass(frozen=True, slots=True)
class Product:
    """A running stack; ``ready`` is its ready file."""

    ready: dict[str, Any]
    data: Path
    process: subprocess.Popen[bytes] | None

    def password(self, agency: str, username: str) -> str:
        """A sample staff user's password."""
        for item in self.ready["agencies"]:
            if item["slug"] == agency:
                for person in item["staff"]:
                    if person["username"] == username:
                        return str(person["password"])
        raise LookupError(f"{agency}/{username}")

    def admin(self, path: str = "") -> str:
        """An address of the admin service."""
        return f"{self.ready['admin_url']}/{path}"

    def portal(self, path: str = "") -> str:
        """An address of the portal service."""
        return f"{self.ready['portal_url']}/{path}"

    def mails(self, address: str) -> list[dict[str, Any]]:
        """The mails to an address, newest first."""
        url = f"{self.ready['mailbox_url']}/api/messages?to={quote(address)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            items: list[dict[str, Any]] = json.load(answer)["items"]
        return items

    def wait_for_mail(self, address: str, holding: str, *, count: int = 1, seconds: float = 20) -> str:
        """What ``holding`` matches in the newest mail to an address that has it, once there are ``count`` of these."""

        def look() -> list[str] | None:
            found = [match[0] for mail in self.mails(address) if (match := re.search(holding, mail["text"]))]
            return found if len(found) >= count else None

        found: list[str] = eventually(look, seconds)
        return found[0]


def eventually(look: Any, seconds: float = 15) -> Any:
    """What ``look`` answers as soon as it is truthy. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.05)
    return found


def start(data: Path, *arguments: str) -> Product:
    """Start the stack and wait until it is ready."""
    ready = data.parent / f"{data.name}-ready.json"
    ready.unlink(missing_ok=True)
    log = (data.parent / f"{data.name}.log").open("ab")
    command = [sys.executable, "-m", "ops", "up", "--demo", "--data", str(data), "--ready-file", str(ready)]
    # Without a port base it takes the next one that is free.
    command += arguments
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    log.close()
    end = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            output = (data.parent / f"{data.name}.log").read_text(errors="replace")
            raise RuntimeError(f"the stack did not start:\n{output[-4000:]}")
        time.sleep(0.05)
    return Product(json.loads(ready.read_text()), data, process)


def running(ready_file: Path) -> Product:
    """A product that somebody else started: a stack, or containers with a ready file written by hand."""
    ready = json.loads(ready_file.read_text())
    return Product(ready, Path(ready.get("data", "/nonexistent")), None)


def stop(product: Product) -> None:
    """Stop it as Ctrl-C does."""
    if product.process is None:
        return
    product.process.send_signal(signal.SIGTERM)
    product.process.wait(60)
