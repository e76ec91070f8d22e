"""Reading what a request carries, JSON, forms, queries, ids in paths: into a model, or into clear errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared.errors import FieldError, InvalidFields, NotFound, Unparsable
from shared.http.fields import has_control_characters
from shared.http.forms import READ_SECONDS, Form, read_form
from shared.http.messages import field_errors
from shared.http.problems import TooLarge, TooSlow, UnsupportedMediaType

__all__ = ["BODY_LIMIT", "Form", "path_id", "read_form", "read_json", "read_query", "validate"]

M = TypeVar("M", bound=BaseModel)

BODY_LIMIT = 64 * 1024
"""Bytes."""

_DEPTH_LIMIT = 32


async def read_json(
    request: web.Request,
    model: type[M],
    *,
    limit: int = BODY_LIMIT,
    check: Callable[[bytes], None] | None = None,
) -> M:
    """The request's body as ``model``. ``check`` sees its bytes before anybody reads anything in them.

    Raises `UnsupportedMediaType` unless it is ``application/json``, `TooLarge` over ``limit`` bytes, `TooSlow`,
    `Unparsable` when it is no JSON object, and `InvalidFields` with one error per field.
    """
    if request.content_type != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    raw = await _read(request, limit)
    if check is not None:
        check(raw)
    _refuse_characters(_parse(raw))
    try:
        # From the bytes again: strict models read dates and ids from text only where they know it to be JSON.
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidFields(*field_errors(error)) from None


def validate(model: type[M], values: Mapping[str, Any]) -> M:
    """``values`` as ``model``, converting text to what the fields hold; raises `InvalidFields`."""
    _refuse_characters(values)
    try:
        return model.model_validate(dict(values), strict=False)
    except ValidationError as error:
        raise InvalidFields(*field_errors(error)) from None


def read_query(request: web.Request, model: type[M]) -> M:
    """The part after ``?`` as ``model``; raises `InvalidFields`, also for a field that is there twice."""
    values: dict[str, Any] = {}
    for name, value in request.query.items():
        if name in values:
            raise InvalidFields(FieldError(name, "Give this once."))
        values[name] = value
    return validate(model, values)


def path_id(request: web.Request, name: str = "id") -> UUID:
    """The id that the path holds; `NotFound` when it is none: such an address cannot exist."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFound from None


async def _read(request: web.Request, limit: int) -> bytes:
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            # Piece by piece: a compressed body tells its size only while it is read.
            async for chunk in request.content.iter_chunked(16 * 1024):
                body += chunk
                if len(body) > limit:
                    raise TooLarge
    except TimeoutError:
        raise TooSlow from None
    except (web.RequestPayloadError, ConnectionError):
        raise Unparsable("The request ended before it was complete.") from None
    return bytes(body)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unparsable("The body is no valid JSON.") from None
    if not isinstance(value, dict):
        raise Unparsable("The body must be a JSON object.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Readers differ in which of two equal names counts: what one checks, another must not see differently.
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse_characters(values: Mapping[str, Any]) -> None:
    wrong = [FieldError(path, "Remove the characters that cannot be seen.") for path in _paths_with_controls(values)]
    if wrong:
        raise InvalidFields(*wrong)


def _paths_with_controls(values: Mapping[str, Any]) -> Iterator[str]:
    waiting: list[tuple[str, Any, int]] = [("", values, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, str):
            if has_control_characters(value, allowed="\t\n\r"):
                yield path
        elif isinstance(value, Mapping | list | tuple):
            if depth >= _DEPTH_LIMIT:
                raise Unparsable("The body is nested too deeply.")
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            for name, item in pairs:
                shown = str(name)
                if has_control_characters(shown):
                    yield path or "(name)"
                    continue
                waiting.append((f"{path}.{shown}" if path else shown, item, depth + 1))
