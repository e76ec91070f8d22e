"""docker-compose.yml, built and run on a real engine; `pytest tests/compose` runs it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compose.pages import Visitor
from tests.compose.stack import ENGINE_ANSWERS, ComposeFailed, ComposeStack, compose_stack, docker, succeeds
from tests.compose.walk import AGENCY, OWN_PASSWORD, ask, eventually, steady_requests, walk

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800), pytest.mark.xdist_group("compose")]

OURS = ("gateway", "admin", "portal", "audit", "notifier", "migrate", "sample", "mailbox")
# Imports every module of an image; tells those that can't be.
IMPORT_ALL = """
import importlib, pathlib
for path in sorted(pathlib.Path("/app").rglob("*.py")):
    module = ".".join(path.relative_to("/app").with_suffix("").parts).removesuffix(".__init__")
    if not module.endswith("__main__"):
        try:
            importlib.import_module(module)
        except Exception as error:
            print(module, repr(error))
importlib.import_module("kombu.transport.redis")
"""
SCALED = {"admin": 2, "portal": 2, "audit": 2, "notifier": 2}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    assert ENGINE_ANSWERS, "This test needs a Docker engine that answers `docker info`."
    with compose_stack(tmp_path_factory.mktemp("compose")) as running:
        yield running


def test_the_whole_story_goes_through_the_gateway(stack: ComposeStack) -> None:
    actions = walk(stack)
    assert actions[-1] == "Profile Created"


def test_pages_come_through_the_gateway(stack: ComposeStack) -> None:
    username = "pagereader"
    walk(stack, username=username)
    client = Visitor()
    client.open(f"{stack.portal}/{AGENCY}/")
    for stylesheet in client.stylesheets():
        assert ask(stylesheet).headers["Content-Type"].startswith("text/css")
    client.send({"username": username, "password": OWN_PASSWORD})
    client.open(f"{stack.portal}/{AGENCY}/activity")
    assert "Client Action Log" in client.page
    assert f"Portal Login {username} was added by nextstep" in client.page

    staff = Visitor()
    staff.open(f"{stack.staff}/{AGENCY}/")
    staff.send({"username": "nextstep", "password": stack.sample_passwords()[f"{AGENCY}/nextstep"]})
    assert "Main Menu" in staff.page


@pytest.mark.parametrize("name", ["admin", "portal", "audit", "notifier", "operator", "mailbox"])
def test_an_image_has_every_library_that_its_code_imports(stack: ComposeStack, name: str) -> None:
    run = ("run", "--rm", "--network", "none", "--read-only", "--entrypoint", "python")
    assert docker(*run, f"portico-{name}:{stack.version}", "-W", "ignore", "-c", IMPORT_ALL) == ""


def test_an_operator_looks_at_the_pipeline_and_verifies_the_log(stack: ComposeStack) -> None:
    def all_is_well() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(stack.operator("status", "--json"))
        except ComposeFailed:
            # Something may still be on its way.
            return None
        return found

    report = eventually(all_is_well, "an exit status of 0 of `portico status`")
    assert (report["state"], report["unreachable"]) == ("ok", {})
    assert "No dead letter waits" in stack.operator("dead-letters", "list")
    chains = json.loads(stack.operator("audit", "verify", "--agency", AGENCY, "--json"))["chains"]
    assert [chain["findings"] for chain in chains] == [[]]
    assert chains[0]["events"] > 0


def test_keys_change_while_the_containers_run(stack: ComposeStack) -> None:
    before = {container.id for container in stack.containers() if container.running}
    said = stack.keys("rotate", "--now", "admin", "portal", "notifier", "sealing")
    assert said.count("was added") + said.count("was withdrawn") >= 4
    states = {item["group"]: item["state"] for item in reversed(json.loads(stack.keys("list", "--json"))["items"])}
    assert set(states.values()) == {"current"}
    assert {container.id for container in stack.containers() if container.running} == before


def test_no_container_has_more_rights_than_it_needs(stack: ComposeStack) -> None:
    containers = stack.containers()
    assert {container.service for container in containers} == {*OURS, "postgres", "redis"}
    for container in containers:
        config, host = container.facts["Config"], container.facts["HostConfig"]
        assert host["ReadonlyRootfs"], container.service
        assert host["CapDrop"] == ["ALL"], container.service
        assert "no-new-privileges:true" in host["SecurityOpt"], container.service
        assert config["User"].partition(":")[0] not in ("", "0", "root"), container.service
        assert not host["Privileged"], container.service
        if container.running:
            # What the process really has, whatever the engine was told.
            assert docker("exec", container.id, "id", "-u").strip() != "0", container.service
            status = docker("exec", container.id, "cat", "/proc/self/status")
            assert "CapEff:\t0000000000000000" in status, container.service
            assert not succeeds(container, "touch", "/written"), container.service


def test_a_service_sees_only_its_own_secrets(stack: ComposeStack) -> None:
    seen = {
        service: set(docker("exec", stack.containers(service)[0].id, "ls", "/run/secrets").split())
        for service in ("admin", "portal", "audit", "notifier", "postgres", "redis")
    }
    assert seen["audit"] == {"audit_database_url", "redis_url", "seal_key"}
    assert seen["postgres"] == {"postgres_password"}
    assert seen["redis"] == {"redis_password"}
    assert [service for service, names in seen.items() if "notifier_database_url" in names] == ["notifier"]
    for service in ("admin", "portal"):
        urls = {name for name in seen[service] if name.endswith("_database_url")}
        assert urls == {f"{service}_database_url", "relay_database_url"}
    own = {"admin": "box_keys.txt", "portal": "box_keys.txt", "notifier": "sealing_private_key.txt"}
    for service, name in own.items():
        keys = docker("exec", stack.containers(service)[0].id, "ls", "/run/keys").split()
        assert set(keys) == {"signing_key.pem", name}
    for container in stack.containers():
        told = "\n".join(container.facts["Config"]["Env"])
        assert "postgresql://" not in told, container.service
        assert "PRIVATE KEY" not in told, container.service


def test_each_container_reaches_only_the_networks_it_needs(stack: ComposeStack) -> None:
    networks = {
        container.service: {
            name.removeprefix(f"{stack.name}_") for name in container.facts["NetworkSettings"]["Networks"]
        }
        for container in stack.containers()
    }
    assert networks["gateway"] == {"front", "edge"}
    assert networks["postgres"] == networks["redis"] == {"data"}
    assert networks["admin"] == networks["portal"] == networks["audit"] == {"edge", "data"}
    assert networks["notifier"] == {"data", "mail"}

    (gateway,), (postgres,) = stack.containers("gateway"), stack.containers("postgres")
    assert succeeds(gateway, "getent", "hosts", "admin")
    assert not succeeds(gateway, "getent", "hosts", "postgres")
    address = postgres.facts["NetworkSettings"]["Networks"][f"{stack.name}_data"]["IPAddress"]
    connect = f"import socket; socket.create_connection(('{address}', 5432), 3)"
    assert succeeds(stack.containers("admin")[0], "python", "-c", connect)
    assert not succeeds(gateway, "curl", "--silent", "--max-time", "3", f"telnet://{address}:5432")
    published = {container.service for container in stack.containers() if container.facts["HostConfig"]["PortBindings"]}
    assert published == {"gateway", "mailbox"}


def test_what_is_for_insiders_stays_inside(stack: ComposeStack) -> None:
    for url in (stack.staff, stack.portal, stack.audit):
        assert ask(f"{url}/healthz").status == 200
        for path in ("/metrics", "/internal/v1/events/held"):
            refused = ask(url + path)
            assert refused.status == 404
            assert refused.headers["Content-Type"] == "application/problem+json"


def test_a_request_that_is_too_large_is_refused(stack: ComposeStack) -> None:
    refused = ask(f"{stack.staff}/api/v1/token", {"agency": "x" * 1_100_000})
    assert refused.status == 413
    assert refused.document["type"] == "/problems/too-large"


def test_the_story_goes_on_with_more_replicas_and_with_one_of_them_lost(stack: ComposeStack) -> None:
    stack.start(SCALED)
    for service, count in SCALED.items():
        assert len(stack.containers(service)) == count
    walk(stack)

    for service in SCALED:
        docker("stop", "--time", "30", stack.containers(service)[0].id)
    # At once: the gateway still knows the addresses of those that are gone.
    walk(stack)
    stack.start(SCALED)


def test_a_stopping_replica_costs_next_to_nothing(stack: ComposeStack) -> None:
    stack.start(SCALED)
    with steady_requests(f"{stack.staff}/api/v1/token/revoke") as statuses:
        time.sleep(1)
        docker("stop", "--time", "30", stack.containers("admin")[0].id)
        time.sleep(3)
    stack.start(SCALED)
    assert len(statuses) > 100
    # A POST that is on its way on a connection which the replica closes at that very moment may have been taken: the
    # gateway must not repeat it and says 502. Anything else has to be the service's own answer.
    cut = statuses.count(502)
    assert set(statuses) <= {401, 502}
    assert cut <= max(2, len(statuses) // 500), f"{cut} of {len(statuses)} were cut off"


def test_without_replicas_the_gateway_says_so_and_finds_the_next_one(stack: ComposeStack) -> None:
    portals = [container.id for container in stack.containers("portal")]
    docker("stop", "--time", "30", *portals)
    document = ask(f"{stack.portal}/{AGENCY}/")
    assert document.status == 503
    assert document.headers["Retry-After"] == "5"
    assert document.document["type"] == "/problems/unavailable"
    page = ask(f"{stack.portal}/{AGENCY}/", accept="text/html,application/xhtml+xml")
    assert page.status == 503
    assert page.headers["Content-Type"].startswith("text/html")
    docker("start", *portals)
    stack.wait_until_healthy()
    eventually(lambda: ask(f"{stack.portal}/healthz").status == 200 or None, "the portal's answer")


def test_a_second_start_keeps_everything(stack: ComposeStack) -> None:
    passwords = stack.sample_passwords()
    stack.compose("stop", "--timeout", "30")
    stack.start()
    assert stack.sample_passwords() == passwords
    walk(stack)
