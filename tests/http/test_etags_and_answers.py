"""Versions in headers, and JSON answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pydantic import Field, ValidationError

from shared.errors import Changed
from shared.http.answers import json_answer, no_content, page_of
from shared.http.etags import expected_version, format_etag
from shared.http.fields import Answer, Timestamp
from tests.http.conftest import MakeClient


class Activity(Answer):
    id: int
    occurred_at: Timestamp
    kind: str = Field(default="Login", alias="type")


EVENT = Activity(id=1, occurred_at=datetime(2022, 6, 16, 9, 47, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("*", None),
        ('"7"', 7),
        (' "7" ', 7),
        ('W/"7"', 7),
        ('"7", "9"', 9),
        ('"7","not-ours" , W/"8"', 8),
    ],
)
def test_the_version_that_the_caller_saw(header: str | None, expected: int | None) -> None:
    request = make_mocked_request("PATCH", "/", headers={} if header is None else {"If-Match": header})
    assert expected_version(request) == expected


@pytest.mark.parametrize(
    "header", ["", "7", '"7', "abc", '"abc"', '"7" "8"', '"7",', '*, "7"', '"-1"', '"' + "9" * 40 + '"', "W/7", ","]
)
def test_tags_that_are_not_ours_are_412(header: str) -> None:
    with pytest.raises(Changed):
        expected_version(make_mocked_request("PATCH", "/", headers={"If-Match": header}))


async def test_if_match_reaches_the_caller_as_412(make_client: MakeClient) -> None:
    async def update(request: web.Request) -> web.Response:
        return web.json_response(expected_version(request))

    client = await make_client(web.patch("/api/x", update))
    assert await (await client.patch("/api/x", headers={"If-Match": format_etag(3)})).json() == 3
    refused = await client.patch("/api/x", headers={"If-Match": "nonsense"})
    assert (refused.status, (await refused.json())["type"]) == (412, "/problems/changed")


def test_answers_use_aliases_and_utc() -> None:
    response = json_answer(EVENT, 201, etag=4, headers={"Location": "/x"})
    assert response.body == b'{"id":1,"occurred_at":"2022-06-16T09:47:16Z","type":"Login"}'
    assert (response.status, response.content_type) == (201, "application/json")
    assert (response.headers["ETag"], response.headers["Location"]) == ('"4"', "/x")


def test_times_of_other_zones_come_out_in_utc_and_naive_ones_not_at_all() -> None:
    local = datetime(2022, 6, 16, 11, 47, 16, 120_000, tzinfo=timezone(timedelta(hours=2)))
    assert b'"2022-06-16T09:47:16.120000Z"' in (json_answer(Activity(id=1, occurred_at=local)).body or b"")  # type: ignore[operator]
    with pytest.raises(ValidationError):
        Activity(id=1, occurred_at=datetime(2022, 6, 16))


def test_pages_tell_where_to_go_on() -> None:
    assert json_answer(page_of([EVENT], "abc")).body == (
        b'{"items":[{"id":1,"occurred_at":"2022-06-16T09:47:16Z","type":"Login"}],"next_cursor":"abc"}'
    )
    assert json_answer(page_of(iter([]))).body == b'{"items":[],"next_cursor":null}'


def test_no_content_has_no_body() -> None:
    assert (no_content().status, no_content().body) == (204, None)
