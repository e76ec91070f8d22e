"""Logs are fields, one JSON object a line on stderr; secrets and e-mail addresses are taken out on the way.

structlog's own loggers and those of libraries (aiohttp, asyncio, celery) end in the same form.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

# Part of a key is enough: new_password, refresh_token and set-cookie are all meant.
_SECRET_KEY = re.compile(
    r"passw|secret|token|authorization|cookie|credential|private_key|signing_key|sealing|api_key|csrf|dsn",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?")
_URL_USER = re.compile(r"(?<=://)[^/@\s]+@")
# PostgreSQL quotes the row at fault in these lines.
_DETAIL = re.compile(r"^(DETAIL|HINT|CONTEXT):.*$", re.MULTILINE)

_DEPTH = 6

LogLevel = Literal["debug", "info", "warning", "error"]


def configure_logging(level: LogLevel = "info", log_format: Literal["json", "console"] = "json") -> None:
    """Set logging up for this process, once, before anything logs.

    For Celery also connect a receiver to ``celery.signals.setup_logging``: while it has none, Celery sets up its own.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tracebacks,
        redact,
    ]
    render: Processor = _json if log_format == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, render, _to_bytes],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _to_text(render)],
        )
    )
    handler.addFilter(_unreadable_requests)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    logging.captureWarnings(True)
    # One line per request comes from our own middleware, which knows the route's pattern.
    logging.getLogger("aiohttp.access").disabled = True
    for chatty in ("asyncio", "kombu", "amqp", "celery.redirected"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Hide the values of keys that name secrets, and e-mail addresses, tokens and users in URLs wherever they stand."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _clean(key: str, value: Any, depth: int) -> Any:
    if value is not None and _is_secret(key):
        return REDACTED
    return _clean_value(value, depth)


def _clean_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean_value(item, depth + 1) for item in value]
    return _clean_text(str(value))


def _clean_text(text: str) -> str:
    # The plain searches first: most texts hold none of it and pay only for them.
    if "://" in text and "@" in text:
        text = _URL_USER.sub(f"{REDACTED}@", text)
    if "@" in text:
        text = _EMAIL.sub("[e-mail]", text)
    if "eyJ" in text:
        text = _JWT.sub("[token]", text)
    if "DETAIL:" in text or "CONTEXT:" in text or "HINT:" in text:
        text = _DETAIL.sub(r"\1: [redacted]", text)
    return text


def _tracebacks(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if not info:
        return event
    if isinstance(info, BaseException):
        error: BaseException | None = info
    elif isinstance(info, tuple):
        error = info[1]
    else:
        error = sys.exc_info()[1]
    if error is not None:
        # Frames and source lines only, never local variables: those hold passwords and clients' names.
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def _unreadable_requests(record: logging.LogRecord) -> bool:
    """Garbage on the wire is no defect of ours, and aiohttp's message quotes it, whatever it holds."""
    error = record.exc_info[1] if record.exc_info else None
    if record.name == "aiohttp.server" and isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info, record.exc_text = "unreadable request", (), None, None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _json(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    try:
        return msgspec.json.encode(event)
    except (ValueError, TypeError, OverflowError):
        # Lone surrogates, integers over 64 bits: logging must not fail because of what is logged.
        return json.dumps(event, default=str).encode()


def _to_bytes(logger: WrappedLogger, method: str, rendered: Any) -> bytes:
    return rendered if isinstance(rendered, bytes) else str(rendered).encode("utf-8", "backslashreplace")


def _to_text(render: Processor) -> Processor:
    def text(logger: WrappedLogger, method: str, event: EventDict) -> str:
        rendered = render(logger, method, event)
        return rendered.decode() if isinstance(rendered, bytes) else str(rendered)

    return text
