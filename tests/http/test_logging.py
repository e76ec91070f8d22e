"""Logs are JSON lines, and what must not be in them is taken out."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiohttp.http_exceptions import BadStatusLine

from shared.logging import REDACTED, configure_logging


class Captured:
    """What was logged since the start of the test."""

    def __init__(self) -> None:
        self.raw = io.BytesIO()
        self.text = io.TextIOWrapper(self.raw, encoding="utf-8", write_through=True)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.raw.getvalue().decode().splitlines()]

    def line(self) -> dict[str, Any]:
        (found,) = self.lines()
        return found


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Captured]:
    captured = Captured()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", captured.text)
    configure_logging("info", "json")
    yield captured
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_a_json_object_with_the_usual_fields(logged: Captured) -> None:
    structlog.contextvars.bind_contextvars(request_id="trace-1")
    structlog.get_logger("services.portal").info("session ended", session_id="s-1", seconds=3, reason=None)
    line = logged.line()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "session ended",
        "level": "info",
        "logger": "services.portal",
        "request_id": "trace-1",
        "session_id": "s-1",
        "seconds": 3,
        "reason": None,
    }


def test_libraries_end_in_the_same_form(logged: Captured) -> None:
    structlog.contextvars.bind_contextvars(request_id="trace-1")
    logging.getLogger("celery.worker").warning("task %s is late", "portico.deliver", extra={"password": "hunter2"})
    line = logged.line()
    assert (line["event"], line["level"], line["logger"]) == (
        "task portico.deliver is late",
        "warning",
        "celery.worker",
    )
    assert (line["request_id"], line["password"]) == ("trace-1", REDACTED)


def test_below_the_level_nothing_is_written(logged: Captured) -> None:
    structlog.get_logger("a").debug("no")
    logging.getLogger("a").debug("no")
    logging.getLogger("kombu").info("no")
    logging.getLogger("aiohttp.access").error("no")
    assert logged.lines() == []


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "new_password",
        "PASSWD",
        "access_token",
        "Authorization",
        "cookie",
        "Set-Cookie",
        "client_secret",
        "csrf",
        "SIGNING_KEY",
        "database_dsn",
    ],
)
def test_keys_that_name_secrets_lose_their_values(logged: Captured, key: str) -> None:
    structlog.get_logger("a").info("x", **{key: "hunter2"}, nested={"deep": [{key: "hunter2"}]})
    assert "hunter2" not in logged.raw.getvalue().decode()
    assert logged.line()[key] == REDACTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to ann.malek+x@mail.example.org now", "to [e-mail] now"),
        ("redis://user:pw@cache:6379/0", f"redis://{REDACTED}@cache:6379/0"),
        ("Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln", "Bearer [token]"),
        ("duplicate key\nDETAIL:  Key (email)=(x) already exists.\nmore", f"duplicate key\nDETAIL: {REDACTED}\nmore"),
        ("an @ alone, and a://b", "an @ alone, and a://b"),
    ],
)
def test_texts_lose_what_tells_who(logged: Captured, text: str, expected: str) -> None:
    structlog.get_logger("a").info(text, field=text, nested=[{"x": text}])
    logging.getLogger("b").warning(text)
    first, second = logged.lines()
    assert (first["event"], first["field"], first["nested"], second["event"]) == (
        expected,
        expected,
        [{"x": expected}],
        expected,
    )


def test_tracebacks_show_the_way_but_no_variables(logged: Captured) -> None:
    password = "hunter" + "2"
    try:
        raise ValueError(f"could not mail {'ann@' + 'example.org'}") from KeyError("inner")
    except ValueError:
        structlog.get_logger("a").exception("failed")
        logging.getLogger("b").exception("failed")
    assert password
    for line in logged.lines():
        assert "ValueError: could not mail [e-mail]" in line["exception"]
        assert "KeyError: 'inner'" in line["exception"]
        assert "test_logging.py" in line["exception"]
        assert password not in line["exception"]


def test_garbage_on_the_wire_is_not_repeated(logged: Captured) -> None:
    try:
        raise BadStatusLine("GET /?password=hunter2")
    except BadStatusLine as error:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", "192.0.2.1", exc_info=error)
    line = logged.line()
    assert (line["event"], line["level"]) == ("unreadable request", "info")
    assert "hunter2" not in json.dumps(line)


def test_warnings_are_logged(logged: Captured) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old ways", UserWarning, stacklevel=1)
    assert "old ways" in logged.line()["event"]


@pytest.mark.parametrize(
    "value", ["\ud800", 2**80, float("nan"), b"\xff", object(), {1: {2: {3: {4: {5: {6: {7: 8}}}}}}}]
)
def test_nothing_that_is_logged_makes_logging_fail(logged: Captured, value: object) -> None:
    structlog.get_logger("a").info("x", value=value)
    assert logged.line()["event"] == "x"


def test_the_console_form_is_for_people(logged: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", logged.text)
    configure_logging("info", "console")
    structlog.get_logger("services.portal").info("session ended", password="hunter2", reason="idle")
    text = logged.raw.getvalue().decode()
    assert "session ended" in text
    assert "reason=idle" in text
    assert "hunter2" not in text
