"""Settings come from the environment, and everything wrong with them is said at once."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from shared.settings import BaseUrl, ProcessSettings, ServiceSettings


class PortalSettings(ServiceSettings):
    public_url: BaseUrl
    database_url: SecretStr
    signing_key: SecretStr
    workers: int = 2


GOOD = {
    "PORT": "8082",
    "PROBE_PORT": "9082",
    "PUBLIC_URL": "https://Portal.example.org/base/",
    "DATABASE_URL": "postgresql://portico:hunter2@db/portico",
    "SIGNING_KEY": "key",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PortalSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def given(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name, value in {**GOOD, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_settings_are_read_and_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.7,, fd00::1/64", LOG_LEVEL="INFO", LOG_FORMAT="")
    settings = PortalSettings.load()
    assert (settings.host, settings.port, settings.probe_host, settings.probe_port) == (
        "127.0.0.1",
        8082,
        "127.0.0.1",
        9082,
    )
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("fd00::/64"))
    assert (settings.log_level, settings.log_format, settings.workers) == ("info", "json", 2)
    assert settings.public_url == "https://portal.example.org/base"
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch)
    settings = PortalSettings.load()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]


def test_values_are_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, PORT="hunter2")
    with pytest.raises(ValidationError) as refused:
        PortalSettings()
    assert "hunter2" not in str(refused.value)


def test_any_setting_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key, port = tmp_path / "key", tmp_path / "port"
    key.write_text("-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
    port.write_text(" 8099\n")
    given(monkeypatch, SIGNING_KEY=None, SIGNING_KEY_FILE=str(key), PORT="", PORT_FILE=str(port))
    settings = PortalSettings.load()
    assert settings.signing_key.get_secret_value() == "-----BEGIN KEY-----\nabc\n-----END KEY-----"
    assert settings.port == 8099


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as exit_:
        PortalSettings.load()
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_everything_wrong_is_one_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    given(
        monkeypatch,
        PORT="hunter2",
        PROBE_PORT="70000",
        LOG_LEVEL="loud",
        TRUSTED_PROXIES="10.0.0.0/8,hunter2",
        PUBLIC_URL="portal.example.org",
        DATABASE_URL=None,
        SIGNING_KEY_FILE=str(tmp_path / "key"),
        WORKERS="",
        WORKERS_FILE=str(tmp_path / "binary"),
    )
    report = refused(monkeypatch, capsys)
    assert report.splitlines()[0] == "This process cannot start: 8 settings need attention."
    assert {line.strip() for line in report.splitlines()[1:]} == {
        "LOG_LEVEL must be one of 'debug', 'info', 'warning' or 'error'",
        "PROBE_PORT must be at most 65535",
        "PORT must be a whole number",
        "TRUSTED_PROXIES must be addresses or networks (CIDR), separated by commas",
        "PUBLIC_URL must be a URL such as https://portal.example.org",
        "DATABASE_URL is not set (nor is DATABASE_URL_FILE)",
        "SIGNING_KEY is set twice, by itself and by SIGNING_KEY_FILE",
        "WORKERS cannot be read from the file that WORKERS_FILE names: it is no UTF-8 text",
    }
    assert "hunter2" not in report


def test_a_file_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given(monkeypatch, SIGNING_KEY=None, SIGNING_KEY_FILE="/does/not/exist")
    report = refused(monkeypatch, capsys)
    assert "1 setting needs attention" in report
    assert "SIGNING_KEY cannot be read from the file that SIGNING_KEY_FILE names: No such file or directory" in report


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example",
        "https://",
        "https://user:pw@x.example",
        "https://x.example/?a=1",
        "http://x:99999",
        "http://[",
    ],
)
def test_public_urls_that_nothing_can_follow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    given(monkeypatch, PUBLIC_URL=url)
    assert "PUBLIC_URL must be a URL" in refused(monkeypatch, capsys)


def test_a_process_without_traffic_needs_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_PORT", "9084")
    assert ProcessSettings.load().probe_port == 9084
