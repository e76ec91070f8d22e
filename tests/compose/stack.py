"""The compose file on a real engine: a project of its own, with its own secrets, ports and network."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HEALTHY_WITHIN = 300.0
BUILT_WITHIN = 1200.0
ONE_SHOT = frozenset({"migrate", "sample"})

_COMMAND_WITHIN = 240.0
_MOST_RESTARTS = 5


class ComposeFailed(Exception):
    """A command of compose or Docker that ended with an error; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Container:
    """What `docker inspect` tells of one container of the project."""

    id: str
    service: str
    facts: Mapping[str, Any]

    @property
    def running(self) -> bool:
        """Whether its process runs right now."""
        return bool(self.facts["State"]["Running"])

    @property
    def done(self) -> bool:
        """Whether it is as it should be: healthy, or, for what runs once, ended well."""
        state = self.facts["State"]
        if self.service in ONE_SHOT:
            return bool(state["Status"] == "exited" and state["ExitCode"] == 0)
        return bool(state.get("Health", {}).get("Status") == "healthy")

    @property
    def condition(self) -> str:
        """For messages: what it is and how it fares."""
        state = self.facts["State"]
        health = state.get("Health", {}).get("Status", "no health check")
        return f"{self.service}: {state['Status']} ({state['ExitCode']}), {health}"


class ComposeStack:
    """One project of docker-compose.yml with the demo's profile."""

    def __init__(self, folder: Path) -> None:
        """``folder`` takes the secrets and the settings."""
        self.name = f"portico-test-{secrets.token_hex(4)}"
        self.version = "compose-test"
        ports = dict(zip(("staff", "portal", "audit", "mailbox"), _free_ports(4), strict=True))
        self.staff, self.portal, self.audit, self.mailbox = (f"http://localhost:{port}" for port in ports.values())
        self._environment = {
            **os.environ,
            **_BUILDER,
            **{f"PORTICO_{name.upper()}_PORT": str(port) for name, port in ports.items()},
            "PORTICO_SECRETS": str(folder / "secrets"),
            "PORTICO_VERSION": self.version,
            "PORTICO_EDGE_SUBNET": f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(250)}.0/24",
        }
        self._files = ("--env-file", str(folder / ".env"), "--file", str(ROOT / "docker-compose.yml"))
        _run([str(ROOT / "deploy" / "make-secrets"), str(folder)], self._environment, _COMMAND_WITHIN)

    def compose(self, *arguments: str, within: float = _COMMAND_WITHIN) -> str:
        """Run a command of compose on this project and return what it printed. Raises ComposeFailed."""
        command = [*_COMPOSE, "--project-name", self.name, *self._files, "--profile", "demo", *arguments]
        return _run(command, self._environment, within)

    def operator(self, *arguments: str) -> str:
        """What a `portico` command prints. Raises ComposeFailed when it does not end with 0."""
        return self.compose("run", "--rm", "-T", "operator", *arguments)

    def keys(self, *arguments: str) -> str:
        """What `portico keys` prints, run as whoever the secrets belong to. Raises ComposeFailed."""
        owner = Path(self._environment["PORTICO_SECRETS"]).stat()
        return self.compose("run", "--rm", "-T", "--user", f"{owner.st_uid}:{owner.st_gid}", "keys", *arguments)

    def start(self, replicas: Mapping[str, int] | None = None) -> None:
        """Start everything, with this many replicas of the services named, and wait until it is healthy."""
        scale = [word for name, count in (replicas or {}).items() for word in ("--scale", f"{name}={count}")]
        self.compose("up", "--detach", *scale, within=HEALTHY_WITHIN)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Return when each container is; raises ComposeFailed with what is wrong, and its log, when it takes too long."""
        deadline = time.monotonic() + HEALTHY_WITHIN
        while True:
            waiting = [container for container in self.containers() if not container.done]
            if not waiting:
                return
            gave_up = any(container.facts["RestartCount"] >= _MOST_RESTARTS for container in waiting)
            if gave_up or time.monotonic() > deadline:
                said = "\n".join(f"{each.condition}\n{self.log_of(each)}" for each in waiting)
                raise ComposeFailed(f"Not healthy within {HEALTHY_WITHIN:.0f} s, or ended again and again:\n{said}")
            time.sleep(1)

    def containers(self, service: str | None = None) -> list[Container]:
        """The project's containers, or those of one service."""
        ids = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.name}").split()
        facts = json.loads(docker("inspect", *ids)) if ids else []
        found = [Container(fact["Id"], fact["Config"]["Labels"]["com.docker.compose.service"], fact) for fact in facts]
        return [container for container in found if service is None or container.service == service]

    def log_of(self, container: Container) -> str:
        """The last lines that a container wrote."""
        ended = subprocess.run(
            ["docker", "logs", "--tail", "40", container.id],
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return ended.stdout

    def sample_passwords(self) -> dict[str, str]:
        """Passwords of the sample staff by ``agency/username``, as the one-shot told them."""
        (sample,) = self.containers("sample")
        said = docker("logs", sample.id)
        # It tells them at each start; the last time counts.
        passwords: dict[str, str] = json.loads(said[said.rindex("{") :])
        return passwords


@contextmanager
def compose_stack(folder: Path) -> Iterator[ComposeStack]:
    """A built and healthy stack; nothing but the images is left of it afterwards."""
    stack = ComposeStack(folder)
    try:
        stack.compose("build", within=BUILT_WITHIN)
        stack.start()
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")


def docker(*arguments: str) -> str:
    """Run a command of Docker and return what it printed. Raises ComposeFailed."""
    return _run(["docker", *arguments], os.environ, _COMMAND_WITHIN)


def succeeds(container: Container, *command: str) -> bool:
    """Whether a command inside of a container ends well."""
    try:
        docker("exec", container.id, *command)
    except ComposeFailed:
        return False
    return True


def _run(command: Sequence[str], environment: Mapping[str, str], within: float) -> str:
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, env=dict(environment), timeout=within, cwd=ROOT
    )
    if ended.returncode:
        raise ComposeFailed(f"{' '.join(command)}: exit status {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return ended.stdout


def _answers(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _free_ports(count: int) -> list[int]:
    # All at once, so that no two are the same.
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


_COMPOSE = ("docker", "compose") if _answers("docker", "compose", "version") else ("docker-compose",)
# Without its plugin Docker's client refuses to use BuildKit.
_BUILDER = {} if _answers("docker", "buildx", "version") else {"DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}

ENGINE_ANSWERS = shutil.which("docker") is not None and _answers("docker", "info")
