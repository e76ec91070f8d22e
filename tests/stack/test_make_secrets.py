"""What deploy/make-secrets writes is what the services and `portico keys` read."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import yaml

from ops.stack.key_folder import TARGETS, KeyFolder, target
from tests.support.product import ROOT

OLDER = {
    "admin_signing_key.pem": "admin",
    "portal_signing_key.pem": "portal",
    "notifier_signing_key.pem": "notifier",
    "sealing_private_key.txt": "sealing",
    "admin_box_keys.txt": "admin-boxes",
    "portal_box_keys.txt": "portal-boxes",
}


def make_secrets(folder: Path) -> str:
    command = [str(ROOT / "deploy" / "make-secrets"), str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def names(folder: Path) -> dict[str, list[str]]:
    keys = KeyFolder(folder / "secrets" / "keys")
    return {wanted.name: keys.names(wanted) for wanted in TARGETS}


def test_its_keys_are_read_and_changed_and_what_is_there_stays(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    secrets, keys = tmp_path / "secrets", KeyFolder(tmp_path / "secrets" / "keys")
    public = (secrets / "sealing_public_key.txt").read_text().strip()
    assert keys.sealing_public_key == public
    assert len(base64.b64decode(public)) == 32
    # Closed to everybody but its owner; what is inside can be read by the users of the containers.
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (keys.path, *keys.path.iterdir())} == {0o755}
    admin = target("admin")
    keys.write(admin, [admin.new_key(), *keys.read(admin)])
    assert keys.file(admin).stat().st_mode & 0o777 == 0o444
    before = names(tmp_path)
    assert len(before["admin"]) == 2
    assert "0 written" in make_secrets(tmp_path)
    assert names(tmp_path) == before


def test_keys_of_an_older_deployment_move_into_the_folders(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    before, keys = names(tmp_path), KeyFolder(tmp_path / "secrets" / "keys")
    for old, name in OLDER.items():
        keys.file(target(name)).rename(tmp_path / "secrets" / old)
    assert "0 written" in make_secrets(tmp_path)
    assert names(tmp_path) == before


def test_each_container_sees_the_folder_of_its_own_keys_alone(tmp_path: Path) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    seen = {
        name: volume["source"].rpartition("/secrets}/")[2]
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if isinstance(volume, dict)
    }
    assert seen == {**{name: f"keys/{name}" for name in ("admin", "portal", "notifier")}, "keys": "keys"}
    for name in ("admin", "portal", "notifier"):
        [volume] = services[name]["volumes"]
        assert volume["read_only"]
        files = [value for key, value in services[name]["environment"].items() if value and "/run/keys/" in value]
        expected = [os.fspath(Path("/run/keys", *Path(t.file).parts[1:])) for t in TARGETS if t.service == name]
        assert sorted(files) == sorted(expected)
