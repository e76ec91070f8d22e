"""What handlers say about themselves, for the OpenAPI description."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from aiohttp.typedefs import Handler
from pydantic import BaseModel

from shared.errors import DomainError

Security: TypeAlias = Literal["staff", "client", "both", "service"]
H = TypeVar("H", bound=Handler)

_ATTRIBUTE = "__portico_operation__"


@dataclass(frozen=True, slots=True)
class Operation:
    """What `operation` was told about a handler."""

    summary: str
    description: str
    name: str
    tag: str
    security: Security | None
    answers: Mapping[int, Any]
    body: Any
    query: type[BaseModel] | None
    problems: tuple[type[DomainError], ...]
    etag: bool


def operation(
    summary: str,
    *,
    answers: Mapping[int, Any],
    tag: str,
    security: Security | None,
    body: Any = None,
    query: type[BaseModel] | None = None,
    problems: Sequence[type[DomainError]] = (),
    etag: bool = False,
    description: str | None = None,
) -> Callable[[H], H]:
    """Document a handler.

    ``answers`` maps a status to its model: a union for several, None for an empty body. ``problems`` are those of the
    use case; what follows from the body, the query, the path and the security is added. ``etag``: the answer carries
    an ETag, and an unsafe method takes If-Match. The description is the handler's docstring when left out.
    """

    def attach(handler: H) -> H:
        documented = Operation(
            summary=summary,
            description=description if description is not None else inspect.getdoc(handler) or "",
            name=getattr(handler, "__name__", "handler"),
            tag=tag,
            security=security,
            answers=dict(answers),
            body=body,
            query=query,
            problems=tuple(problems),
            etag=etag,
        )
        setattr(handler, _ATTRIBUTE, documented)
        return handler

    return attach


def operation_of(handler: object) -> Operation | None:
    """What `operation` attached to ``handler``."""
    found = getattr(handler, _ATTRIBUTE, None)
    return found if isinstance(found, Operation) else None
