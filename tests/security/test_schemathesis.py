"""The three APIs under generated requests, lawful and not: each answer is one that the API's description promises.

All of Schemathesis' checks run, over its examples, its coverage of each constraint, random bodies, and sequences that
follow links. The seed is fixed, so that a failure comes again.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.security.doors import Door, Street

pytestmark = pytest.mark.timeout(240)

_EXAMPLES = 8
# What ends the session that the run itself uses: tried in a run of its own, after which that session may be gone.
_ENDS_SESSIONS = r"token/revoke|/sessions/\{id\}|^/api/v1/password$|/api/v1/second-factor|/api/v1/passkeys"


# Rules that a schema cannot say are told by field, with 422. A body that was refused for its form is 400.
_EXPECTED = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "429"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "408", "412", "413", "415", "422", "429"]
"""


def settings(street: Street, folder: Path, *, with_ids: bool = False) -> Path:
    """The configuration of a run. ``with_ids``: with those that exist, so that more than their absence is tried."""
    ids = {
        "/api/v1/clients/{id}": street.client.id,
        "/api/v1/clients/{id}/portal-logins": street.client.id,
        "/api/v1/portal-logins/{id}": street.login.id,
        "/api/v1/portal-logins/{id}/deliveries": street.login.id,
        "/api/v1/portal-logins/{id}/unlock": street.login.id,
        "/api/v1/portal-logins/{id}/sign-out": street.login.id,
        "/api/v1/portal-logins/{id}/email-works": street.login.id,
    }
    parts = [_EXPECTED]
    for path, value in ids.items() if with_ids else ():
        parts.append(f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ "path.id" = "{value}" }}\n')
    file = folder / "schemathesis.toml"
    file.write_text("".join(parts))
    return file


async def run(door: Door, config: Path, *arguments: str) -> None:
    """One run; what it found is the message of the failure."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "--no-color"),
        *("run", f"http://127.0.0.1:{door.port}/openapi.json", "--checks", "all", "--seed", "20261125"),
        *("--max-examples", str(_EXAMPLES), "--generation-database", "none", "--no-shrink", "--warnings", "off"),
        *("--request-timeout", "20", "--suppress-health-check", "all", "--continue-on-failure"),
        *arguments,
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=config.parent
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")[-12_000:]


def bearer(token: str) -> Sequence[str]:
    return ("--header", f"Authorization: Bearer {token}")


@pytest.mark.parametrize("name", ["admin", "portal", "audit"])
async def test_an_api_keeps_its_word(street: Street, tmp_path: Path, name: str) -> None:
    door = next(door for door in street.doors if door.name == name)
    config = settings(street, tmp_path, with_ids=True)
    token = await street.token(door)
    await run(door, config, *bearer(token), "--exclude-path-regex", _ENDS_SESSIONS)
    status, _ = await door.json("GET", "/openapi.json")
    assert status == 200


@pytest.mark.parametrize("name", ["admin", "portal"])
async def test_what_ends_sessions_keeps_its_word(street: Street, tmp_path: Path, name: str) -> None:
    door = next(door for door in street.doors if door.name == name)
    config = settings(street, tmp_path)
    await run(door, config, *bearer(await street.token(door)), "--include-path-regex", _ENDS_SESSIONS)


@pytest.mark.parametrize("name", ["admin", "portal", "audit"])
async def test_an_api_keeps_its_word_to_nobody_in_particular(street: Street, tmp_path: Path, name: str) -> None:
    door = next(door for door in street.doors if door.name == name)
    config = settings(street, tmp_path)
    before = await street.state()
    await run(door, config)
    assert await street.state() == before
