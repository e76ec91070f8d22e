"""JSON bodies and queries: refused with the field's name, never a 500."""

from __future__ import annotations

import gzip
import json
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from pydantic import Field, model_validator

from shared.errors import InvalidFields
from shared.http.answers import json_answer, no_content
from shared.http.bodies import path_id, read_json, read_query, validate
from shared.http.fields import (
    Answer,
    Body,
    CaseNumber,
    Cursor,
    Email,
    IsoDate,
    Limit,
    Password,
    PastDate,
    PersonName,
    Query,
    Username,
    sentence,
)
from tests.http.conftest import Client, MakeClient


class Everything(Body):
    name: PersonName = "x"
    born: PastDate | None = None
    username: Username | None = None
    email: Email | None = None
    populate: bool = False
    password: Password | None = None
    case_number: CaseNumber | None = None
    id: UUID | None = None
    count: int | None = Field(default=None, ge=1)
    programs: list[PersonName] = Field(default_factory=list)
    dynamic_fields: dict[str, dict[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def one_source(self) -> Everything:
        if self.email and self.populate:
            raise sentence("Choose one source for the e-mail.", field="email")
        return self


class Listing(Query):
    limit: Limit = 25
    cursor: Cursor | None = None
    client_id: UUID | None = None
    start_date: IsoDate | None = None


class Seen(Answer):
    seen: str


async def take(request: web.Request) -> web.Response:
    return json_answer(Seen(seen=repr(await read_json(request, Everything))))


async def take_little(request: web.Request) -> web.Response:
    await read_json(request, Everything, limit=100)
    return no_content()


async def listing(request: web.Request) -> web.Response:
    return json_answer(Seen(seen=repr(read_query(request, Listing))))


async def one(request: web.Request) -> web.Response:
    return json_answer(Seen(seen=str(path_id(request))))


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(
        web.post("/api/take", take),
        web.post("/api/little", take_little),
        web.get("/api/list", listing),
        web.get("/api/one/{id}", one),
    )


async def send(client: Client, raw: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", **headers}
    response = await client.post("/api/take", data=raw, headers=headers)
    return response.status, await response.json()


async def errors(client: Client, document: object) -> dict[str, str]:
    status, answer = await send(client, json.dumps(document).encode())
    assert status == 422, answer
    return {error["field"]: error["message"] for error in answer["errors"]}


async def test_a_good_body_is_taken(client: Client) -> None:
    document = {
        "name": "  Jose\u0301 ",
        "born": "1990-02-28",
        "email": "Ann@EXAMPLE.com",
        "id": "00000000-0000-0000-0000-000000000001",
        "dynamic_fields": {"current_residence": {"Notes": "first\nsecond\tcolumn"}},
    }
    status, answer = await send(client, json.dumps(document).encode())
    assert status == 200
    assert "name='José'" in answer["seen"]
    assert "datetime.date(1990, 2, 28)" in answer["seen"]
    assert "email='Ann@example.com'" in answer["seen"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""])
async def test_other_content_types_are_415(client: Client, kind: str) -> None:
    response = await client.post("/api/take", data=b"{}", headers={"Content-Type": kind})
    assert response.status == 415
    assert (await response.json())["type"] == "/problems/unsupported-media-type"


async def test_a_charset_beside_the_content_type_is_harmless(client: Client) -> None:
    assert (await send(client, b"{}", **{"Content-Type": "application/json; charset=klingon"}))[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"name": "a"} trailing',
        b'{"name": NaN}',
        b'{"count": -Infinity}',
        b'{"name": "a", "name": "b"}',
        b'{"dynamic_fields": {"a": {}, "a": {}}}',
        b'{"name": "\xff\xfe"}',
        '{"name": "a"}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"[" * 30_000,
        b'{"dynamic_fields":' * 3_000,
        b'{"programs":' + b"[" * 50 + b"]" * 50 + b"}",
        b'{"count": ' + b"9" * 5_000 + b"}",
        b"[]",
        b"null",
        b'"text"',
        b"7",
    ],
)
async def test_what_is_no_json_object_is_400(client: Client, raw: bytes) -> None:
    status, answer = await send(client, raw)
    assert (status, answer["type"]) == (400, "/problems/unparsable")


async def test_too_much_is_413(client: Client) -> None:
    big = json.dumps({"name": "a" * 70_000}).encode()
    assert (await send(client, big))[0] == 413

    async def in_pieces() -> Any:
        for start in range(0, len(big), 4096):
            yield big[start : start + 4096]

    response = await client.post("/api/take", data=in_pieces(), headers={"Content-Type": "application/json"})
    assert response.status == 413


async def test_a_compressed_body_counts_as_it_unfolds(client: Client) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert (await send(client, gzip.compress(b'{"name": "Ann"}'), **headers))[0] == 200
    bomb = gzip.compress(b'{"name": "' + b"a" * 5_000_000 + b'"}')
    assert len(bomb) < 64 * 1024
    assert (await send(client, bomb, **headers))[0] == 413


async def test_a_broken_compressed_body_is_400(client: Client) -> None:
    status, answer = await send(client, b"this is not gzip", **{"Content-Encoding": "gzip"})
    assert (status, answer["type"]) == (400, "/problems/unparsable")


async def test_a_handler_may_take_less(client: Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await client.post("/api/little", data=b"{}", headers=headers)).status == 204
    assert (await client.post("/api/little", data=b'{"name":"' + b"a" * 100 + b'"}', headers=headers)).status == 413


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"name": ""}, {"name": "Enter a value."}),
        ({"name": "   "}, {"name": "Enter a value."}),
        ({"name": None}, {"name": "Enter text."}),
        ({"name": 7}, {"name": "Enter text."}),
        ({"name": "a" * 101}, {"name": "Use at most 100 characters."}),
        ({"name": "a\nb"}, {"name": "Remove the characters that cannot be seen."}),
        ({"name": "a\u202eb"}, {"name": "Remove the characters that cannot be seen."}),
        ({"name": "a\u2028b"}, {"name": "Remove the characters that cannot be seen."}),
        ({"name": "=?utf-8?q?x=0ABcc=3A...?="}, {"name": "Do not use =? here."}),
        ({"born": "02/28/1990"}, {"born": "Enter a date as YYYY-MM-DD."}),
        ({"born": "1990-02-30"}, {"born": "Enter a date as YYYY-MM-DD."}),
        ({"born": 0}, {"born": "Enter a date as YYYY-MM-DD."}),
        ({"born": "1066-10-14"}, {"born": "Enter a date from 1850-01-01 on."}),
        ({"username": "jo"}, {"username": "Use 3 to 64 letters, digits or any of . _ - @"}),
        ({"username": "jürgen"}, {"username": "Use 3 to 64 letters, digits or any of . _ - @"}),
        ({"email": "nonsense"}, {"email": "Enter an e-mail address such as name@example.org."}),
        ({"email": '"a b"@example.com'}, {"email": "Enter an e-mail address such as name@example.org."}),
        ({"email": "a@b.co\r\nBcc: c@d.co"}, {"email": "Enter an e-mail address such as name@example.org."}),
        ({"email": "=?utf-8?q?x?=@b.co"}, {"email": "Enter an e-mail address such as name@example.org."}),
        ({"email": "a@" + "b" * 250 + ".co"}, {"email": "Use at most 254 characters."}),
        ({"populate": "yes"}, {"populate": "Choose Yes or No."}),
        ({"populate": 1}, {"populate": "Choose Yes or No."}),
        ({"password": ""}, {"password": "Enter a value."}),
        ({"password": "a" * 1025}, {"password": "Use at most 1024 characters."}),
        ({"case_number": "a" * 33}, {"case_number": "Use at most 32 characters."}),
        ({"id": "7"}, {"id": "Enter an id."}),
        ({"count": 1.5}, {"count": "Enter a whole number."}),
        ({"count": "1"}, {"count": "Enter a whole number."}),
        ({"count": 0}, {"count": "Enter 1 or more."}),
        ({"programs": "a"}, {"programs": "Give a list."}),
        ({"programs": ["a", ""]}, {"programs.1": "Enter a value."}),
        ({"dynamic_fields": []}, {"dynamic_fields": "Give an object."}),
        (
            {"dynamic_fields": {"current_residence": {"Email": 7}}},
            {"dynamic_fields.current_residence.Email": "Enter text."},
        ),
        ({"nmae": "Ann"}, {"nmae": "Unknown field."}),
        ({"email": "a@b.co", "populate": True}, {"email": "Choose one source for the e-mail."}),
        (
            {"name": "", "count": 0, "x": 1},
            {"name": "Enter a value.", "count": "Enter 1 or more.", "x": "Unknown field."},
        ),
    ],
)
async def test_one_sentence_per_field(client: Client, document: object, expected: dict[str, str]) -> None:
    assert await errors(client, document) == expected


async def test_addresses_of_demonstrations_are_taken(client: Client) -> None:
    for address in ("a@example.com", "a@portico.example", "a@sub.domain.test"):
        assert (await send(client, json.dumps({"email": address}).encode()))[0] == 200


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\ud800"])
async def test_control_characters_are_refused_wherever_they_stand(client: Client, character: str) -> None:
    refused = "Remove the characters that cannot be seen."
    assert await errors(client, {"name": f"a{character}"}) == {"name": refused}
    assert await errors(client, {"password": f"a{character}"}) == {"password": refused}
    assert await errors(client, {"programs": ["a", f"{character}b"]}) == {"programs.1": refused}
    assert await errors(client, {"dynamic_fields": {"block": {"Entry": character}}}) == {
        "dynamic_fields.block.Entry": refused
    }
    assert await errors(client, {"dynamic_fields": {"block": {f"Entry{character}": "x"}}}) == {
        "dynamic_fields.block": refused
    }
    assert await errors(client, {character: "x"}) == {"(name)": refused}


async def test_no_answer_repeats_what_was_sent(client: Client) -> None:
    document = {"password": "hunter2" * 200, "born": "hunter2", "id": "hunter2", "email": "hunter2", "count": "hunter2"}
    _, answer = await send(client, json.dumps(document).encode())
    assert "hunter2" not in json.dumps(answer)


async def test_passwords_do_not_show_themselves(client: Client) -> None:
    _, answer = await send(client, b'{"password": "correct horse"}')
    assert "correct horse" not in answer["seen"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=0", {"limit": "Enter 1 or more."}),
        ("limit=201", {"limit": "Enter 200 or less."}),
        ("limit=many", {"limit": "Enter a whole number."}),
        ("limit=", {"limit": "Enter a whole number."}),
        ("limit=1&limit=2", {"limit": "Give this once."}),
        ("start_date=1655372836", {"start_date": "Enter a date as YYYY-MM-DD."}),
        ("client_id=me", {"client_id": "Enter an id."}),
        ("cursor=" + "a" * 513, {"cursor": "Use at most 512 characters."}),
        ("cursor=%00", {"cursor": "Remove the characters that cannot be seen."}),
        ("offset=5", {"offset": "Unknown field."}),
    ],
)
async def test_queries_are_refused_alike(client: Client, query: str, expected: dict[str, str]) -> None:
    response = await client.get(f"/api/list?{query}")
    assert response.status == 422
    assert {e["field"]: e["message"] for e in (await response.json())["errors"]} == expected


async def test_queries_are_read_from_text(client: Client) -> None:
    answer = await (await client.get("/api/list?limit=5&start_date=2022-06-16")).json()
    assert "limit=5" in answer["seen"]
    assert "datetime.date(2022, 6, 16)" in answer["seen"]


@pytest.mark.parametrize("given", ["me", "7", "%00", "..", "00000000-0000-0000-0000-00000000000g"])
async def test_an_id_that_is_none_is_not_found(client: Client, given: str) -> None:
    assert (await client.get(f"/api/one/{given}")).status == 404


def test_validate_reads_values_from_text_and_lists_what_is_wrong() -> None:
    made = validate(Everything, {"born": "1990-02-28", "count": "3", "populate": "true"})
    assert (made.born, made.count, made.populate) == (date(1990, 2, 28), 3, True)
    with pytest.raises(InvalidFields) as refused:
        validate(Everything, {"born": "never", "name": "a\x00", "count": "0"})
    assert [error.field for error in refused.value.errors] == ["name"]


def test_changes_are_the_fields_that_were_named() -> None:
    assert Everything.model_validate_json('{"populate": false, "name": "Ann"}').changes() == {
        "name": "Ann",
        "populate": False,
    }
