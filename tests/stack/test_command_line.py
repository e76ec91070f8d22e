"""The `portico` command: what is wrong is one sentence and status 2."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ops.problems import Problem
from ops.stack.environment import SERVICES
from ops.up import parse_scale

SETTINGS = ("DATABASE_URL", "AUDIT_DATABASE_URL", "REDIS_URL", "SMTP_URL", "SMTP_SECURITY")


def portico(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(
        [sys.executable, "-m", "ops", *map(str, arguments)],
        env=inherited | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The only thing on stderr, after checking that it is said as agreed."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("portico: ")
    return line.removeprefix("portico: ")


def test_scale_names_services_and_numbers() -> None:
    assert parse_scale(["notifier=2", "audit=16"]) == {"notifier": 2, "audit": 16}
    for service in SERVICES:
        assert parse_scale([f"{service}=1"]) == {service: 1}


@pytest.mark.parametrize(
    "wish", ["notifier", "notifier=", "notifier=0", "audit=17", "audit=-1", "audit=two", "gateway=1", "=2"]
)
def test_a_scale_that_makes_no_sense_is_told(wish: str) -> None:
    with pytest.raises(Problem, match=r"--scale takes SERVICE=N with one of .* and 1 to 16"):
        parse_scale([wish])


def test_a_port_that_is_taken_is_one_sentence(folder: Path, base: int) -> None:
    port = base + 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        said = sentence(portico("up", "--data", folder / "data", "--port-base", str(base)))
    assert said == f"Port {port} is taken by another program."


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "file cannot be used" in sentence(portico("up", "--data", tmp_path / "file"))
    assert "cannot be used" in sentence(portico("up", "--data", tmp_path / "file" / "below"))
    assert "cannot be used" in sentence(portico("up", "--data", "/proc/portico"))


def test_a_ready_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    said = sentence(portico("up", "--data", tmp_path / "data", "--ready-file", tmp_path / "missing" / "ready.json"))
    assert said.endswith("ready.json cannot be written.")
    assert not (tmp_path / "data").exists()


def test_a_real_server_that_does_not_answer_is_one_sentence(folder: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        said = sentence(
            portico(
                *("up", "--data", folder / "data"),
                DATABASE_URL=f"postgresql://owner:topsecret@127.0.0.1:{port}/db",
                REDIS_URL=f"redis://127.0.0.1:{port}/0",
                SMTP_URL="smtp://127.0.0.1:1",
            )
        )
    assert said.startswith("The PostgreSQL server of DATABASE_URL cannot be used: ")
    assert "topsecret" not in said


def test_settings_that_make_no_sense_are_told_by_name_all_at_once(tmp_path: Path) -> None:
    done = portico(
        *("up", "--data", tmp_path / "data"),
        DATABASE_URL="mysql://secret@host/db",
        REDIS_URL="memcached://host",
        SMTP_URL="host:25",
        SMTP_SECURITY="maybe",
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "SMTP_SECURITY"):
        assert f" {name} must be " in done.stderr
    assert "secret" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_migrate_names_every_setting_that_is_missing() -> None:
    done = portico("migrate")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for name in (
        "DATABASE_URL",
        *(f"{role}_DB_PASSWORD" for role in ("ADMIN", "PORTAL", "AUDIT", "NOTIFIER", "RELAY")),
    ):
        assert f" {name} " in done.stderr


def test_data_of_another_user_is_one_sentence(folder: Path) -> None:
    if os.geteuid() != 0:
        # Only root can make a file of somebody else's; an ordinary user meets the closed folder instead.
        assert "cannot be used" in sentence(portico("up", "--data", "/root/portico"))
        return
    data = folder / "data"
    data.mkdir()
    (data / "secrets.json").write_text("{}")
    os.chown(data / "secrets.json", 12345, 12345)
    assert sentence(portico("up", "--data", data)).endswith(
        "belongs to the user 12345: run this as that user, or choose another --data."
    )


def test_help_is_there() -> None:
    done = portico("--help")
    assert done.returncode == 0
    assert "up" in done.stdout
    assert "migrate" in done.stdout
