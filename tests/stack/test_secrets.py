"""The secrets of a data directory, and what each process is told of them."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from nacl.public import PrivateKey, SealedBox

from ops.problems import Problem
from ops.stack import environment
from ops.stack.environment import SERVICES, Backends, StackEnvironment, broker_url, inheritable, role_url
from ops.stack.key_folder import TARGETS, target
from ops.stack.ports import Ports
from ops.stack.secrets import DemoPasswords, Secrets


@pytest.fixture
def stack(tmp_path: Path) -> StackEnvironment:
    owner = "postgresql://owner:topsecret@127.0.0.1:5432/portico?application_name=x"
    return StackEnvironment(
        backends=Backends(
            owner, owner, "redis://:r@127.0.0.1:1/0", "redis://:r@127.0.0.1:1/1", "smtp://h:25", "plaintext"
        ),
        secrets=Secrets.of(tmp_path),
        ports=Ports(8080),
        log_level="info",
        trusted_proxies="10.0.0.0/8",
        mail_from="no-reply@portico.example",
    )


def test_they_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first, second = Secrets.of(tmp_path), Secrets.of(tmp_path)
    assert first == second
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_every_data_directory_has_its_own(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append(Secrets.of(tmp_path / name))
    one, two = found
    assert not set(one.database_passwords.values()) & set(two.database_passwords.values())
    assert len(set(one.database_passwords.values())) == len(one.database_passwords)
    for wanted in TARGETS:
        assert not set(one.keys.read(wanted)) & set(two.keys.read(wanted))
    assert one.redis_password != two.redis_password


def test_keys_are_what_the_services_expect(tmp_path: Path) -> None:
    found = Secrets.of(tmp_path)
    for service in ("admin", "portal", "notifier"):
        [pem] = found.keys.read(target(service))
        assert isinstance(load_pem_private_key(pem.encode(), None), Ed25519PrivateKey)
    [sealing] = found.keys.read(target("sealing"))
    private = PrivateKey(base64.b64decode(sealing))
    assert base64.b64decode(found.keys.sealing_public_key) == bytes(private.public_key)
    assert SealedBox(private).decrypt(SealedBox(private.public_key).encrypt(b"temporary")) == b"temporary"


def test_a_directory_of_the_time_before_there_were_seals_gets_their_key_once(tmp_path: Path) -> None:
    made = Secrets.of(tmp_path)
    stored = json.loads(made.path.read_text())
    del stored["seal_key"]
    made.path.write_text(json.dumps(stored))
    found = Secrets.of(tmp_path)
    assert found.database_passwords == made.database_passwords
    assert found.seal_key not in ("", made.seal_key)
    assert Secrets.of(tmp_path).seal_key == found.seal_key


def test_keys_of_an_older_directory_move_into_files_of_their_own(tmp_path: Path) -> None:
    made = Secrets.of(tmp_path)
    before = {wanted.name: made.keys.read(wanted)[0] for wanted in TARGETS}
    stored = json.loads(made.path.read_text())
    stored |= {
        "signing_keys": {name: f"{before[name]}\n" for name in ("admin", "portal", "notifier")},
        "sealing_private_key": before["sealing"],
        "sealing_public_key": made.keys.sealing_public_key,
        "box_keys": {name: before[f"{name}-boxes"] for name in ("admin", "portal")},
    }
    made.path.write_text(json.dumps(stored))
    shutil.rmtree(made.keys.path)
    found = Secrets.of(tmp_path)
    assert {wanted.name: found.keys.read(wanted)[0] for wanted in TARGETS} == before
    for wanted in TARGETS:
        assert found.keys.file(wanted).stat().st_mode & 0o777 == 0o600
        assert before[wanted.name].replace("\n", "\\n") not in made.path.read_text()
    assert found.keys.path.stat().st_mode & 0o777 == 0o700


def test_nothing_secret_is_in_a_representation(stack: StackEnvironment) -> None:
    shown = repr(stack)
    hidden = (stack.secrets.redis_password, stack.secrets.seal_key, "topsecret")
    for secret in (*stack.secrets.database_passwords.values(), *hidden):
        assert secret not in shown


def test_a_damaged_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(Problem, match=r"secrets\.json is damaged"):
        Secrets.of(tmp_path)
    (tmp_path / "secrets.json").write_text('{"instance": "x"}')
    with pytest.raises(Problem, match=r"secrets\.json is damaged"):
        Secrets.of(tmp_path)


def test_demo_passwords_are_made_when_asked_for_and_stay(tmp_path: Path) -> None:
    passwords = DemoPasswords(Secrets.of(tmp_path))
    first = passwords["riverside/nextstep"]
    assert len(first) == 20
    assert first.isalnum()
    assert passwords["riverside/supervisor"] != first
    # Already stored, not only once the sample data is complete.
    assert DemoPasswords(Secrets.of(tmp_path))["riverside/nextstep"] == first
    assert list(passwords) == ["riverside/nextstep", "riverside/supervisor"]
    assert "lakeside/nextstep" not in passwords


def test_each_service_gets_its_own_role_and_no_more_than_it_needs(stack: StackEnvironment) -> None:
    told = {service: stack.of_service(service, 9000) for service in SERVICES}
    for service, settings in told.items():
        url = urlsplit(settings["DATABASE_URL"])
        assert url.username == f"portico_{service}"
        assert url.password == stack.secrets.database_passwords[service]
        assert (url.hostname, url.port, url.path, url.query) == ("127.0.0.1", 5432, "/portico", "application_name=x")
        assert settings["PROBE_PORT"] == "9000"
        assert "topsecret" not in json.dumps(settings)
    holders = {
        name: {s for s, settings in told.items() if name in settings}
        for name in told["notifier"] | told["admin"] | told["audit"]
    }
    assert holders["SEALING_PRIVATE_KEY_FILE"] == {"notifier"}
    assert holders["SEALING_PUBLIC_KEY"] == {"admin", "portal"}
    assert holders["SIGNING_KEY_FILE"] == {"admin", "portal", "notifier"}
    assert holders["BOX_KEYS_FILE"] == {"admin", "portal"}
    assert told["admin"]["BOX_KEYS_FILE"] != told["portal"]["BOX_KEYS_FILE"]
    assert holders["SMTP_URL"] == {"notifier"}
    assert holders["SEAL_KEY"] == holders["SEALS_FILE"] == {"audit"}
    assert len({told[service]["SIGNING_KEY_FILE"] for service in holders["SIGNING_KEY_FILE"]}) == 3
    assert told["admin"]["PUBLIC_URL"] == "http://localhost:8081"
    assert told["admin"]["PORTAL_URL"] == told["portal"]["PUBLIC_URL"] == "http://localhost:8082"
    assert told["notifier"]["AUDIT_URL"] == "http://127.0.0.1:8083"
    assert told["notifier"]["SMTP_SECURITY"] == "plaintext"


def test_an_operators_command_finds_the_running_stack(stack: StackEnvironment, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"No stack runs on .*: start one with `portico up --data"):
        environment.load(tmp_path)
    environment.store(tmp_path, stack.of_operator())
    assert (tmp_path / "environment.json").stat().st_mode & 0o777 == 0o600
    found = environment.load(tmp_path)
    assert urlsplit(found["DATABASE_URL"]).username == "portico_admin"
    assert urlsplit(found["OWNER_DATABASE_URL"]).username == "owner"
    assert found["SEAL_PUBLIC_KEY"] == stack.secrets.seal_public_key
    assert stack.secrets.seal_key not in found.values()
    assert Path(found["SEALS_FILE"]).parent == stack.secrets.path.parent
    environment.forget(tmp_path)
    with pytest.raises(Problem, match="No stack runs on"):
        environment.load(tmp_path)


def test_children_inherit_everything_but_what_is_decided_here() -> None:
    environ = {"PATH": "/bin", "LANG": "C", "DATABASE_URL": "x", "SIGNING_KEY_FILE": "y", "SMTP_URL": "z"}
    environ |= {"SEALS_FILE": "s", "SEAL_KEY_FILE": "k", "HEARTBEAT_FILE": "h"}
    assert inheritable(environ) == {"PATH": "/bin", "LANG": "C"}


def test_urls_of_roles_and_of_the_broker() -> None:
    assert role_url("postgresql://o:p@[::1]:5432/db", "admin", "a/b@c") == (
        "postgresql://portico_admin:a%2Fb%40c@[::1]:5432/db"
    )
    assert role_url("postgresql:///db?host=/run", "admin", "x") == "postgresql://portico_admin:x@/db?host=/run"
    assert broker_url("redis://:p@h:6379/0") == broker_url("redis://:p@h:6379") == "redis://:p@h:6379/1"
    assert broker_url("rediss://h/3") == "rediss://h/4"
