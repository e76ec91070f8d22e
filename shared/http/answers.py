"""JSON answers: one model or one page of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from shared.http.etags import format_etag
from shared.http.fields import Answer

T = TypeVar("T")


class Page(Answer, Generic[T]):
    """One page of a list; ``next_cursor`` leads to the next one and is null on the last."""

    items: list[T]
    next_cursor: str | None = None


def page_of(items: Iterable[T], next_cursor: str | None = None) -> Page[T]:
    """The page that holds these items, which are models already validated (they are not validated again)."""
    return Page[T].model_construct(items=list(items), next_cursor=next_cursor)


def json_answer(
    model: BaseModel, status: int = 200, etag: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """``model`` as JSON; ``etag`` is the version that the answer shows."""
    # model_dump_json makes a str first; the serializer behind it gives the bytes that go on the wire.
    body = model.__pydantic_serializer__.to_json(model, by_alias=True)
    response = web.Response(body=body, status=status, content_type="application/json", headers=headers)
    if etag is not None:
        response.headers["ETag"] = format_etag(etag)
    return response


def no_content() -> web.Response:
    """204: done, nothing to show."""
    return web.Response(status=204)
