"""Clients and face sheets through the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.admin.conftest import RESIDENCE, Api, Town

ENCODED_WORD = "=?utf-8?q?x=0ABcc=3Aevil@example.com?="


async def search(api: Api, query: str, **more: Any) -> Any:
    answer = await api.post("clients/search", {"query": query, **more})
    assert answer.status == 200, answer.text
    return answer.json


# Search


async def test_a_client_is_found_by_name_date_and_number(api: Api, town: Town) -> None:
    for query in ["malek", "cath", "Malek, Catherine", "1966-03-07", "3/7/1966", "100007", "1000", "c26-0"]:
        assert await search(api, query) == {
            "items": [
                {
                    "id": str(town.client.id),
                    "client_number": "100007",
                    "first_name": "Catherine",
                    "last_name": "Malek",
                    "date_of_birth": "1966-03-07",
                    "portal_refused": False,
                    "case_numbers": ["C26-09678"],
                }
            ],
            "next_cursor": None,
        }


async def test_pages_of_a_search_follow_one_another(api: Api, town: Town) -> None:
    for n in range(7):
        await town.world.client(
            town.agency, first_name=f"Ann{n % 3}", last_name="Ángel", client_number=f"N{n}", case_number=None
        )
    seen, cursor = [], None
    for _ in range(3):
        page = await search(api, "angel", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [item["client_number"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert sorted(seen) == [f"N{n}" for n in range(7)]


async def test_other_agencies_clients_are_not_found(api: Api, town: Town) -> None:
    other = await town.world.agency("lakeside")
    await town.world.client(other, last_name="Elsewhere")
    assert (await search(api, "elsewhere"))["items"] == []


async def test_a_search_that_makes_no_sense_is_told_by_field(api: Api) -> None:
    for body, field in [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": 5}, "query"),
        ({"query": "x" * 201}, "query"),
        ({"query": "nul\x00"}, "query"),
        ({"query": "a", "limit": 0}, "limit"),
        ({"query": "a", "limit": 201}, "limit"),
        ({"query": "a", "limit": "7"}, "limit"),
        ({"query": "a", "cursor": "nonsense"}, "cursor"),
        ({"query": "a", "cursor": ""}, "cursor"),
        ({"query": "a", "cursor": "AAAAAAAAAAAAAAAAAAAAAA"}, "cursor"),
        ({"query": "a", "offset": 3}, "offset"),
    ]:
        answer = await api.post("clients/search", body)
        assert answer.status == 422
        assert set(answer.fields) == {field}


# Adding


async def test_a_client_is_added_with_a_first_case(api: Api, town: Town) -> None:
    body = {
        "client_number": "777",
        "first_name": "Zoë",
        "last_name": "O’Brien",
        "date_of_birth": "1990-02-28",
        "case_number": "Z-1",
    }
    answer = await api.post("clients", body)
    made = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/clients/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert {k: made[k] for k in ("client_number", "first_name", "last_name", "date_of_birth")} == {
        k: body[k] for k in ("client_number", "first_name", "last_name", "date_of_birth")
    }
    assert [case["case_number"] for case in made["cases"]] == ["Z-1"]
    assert (await api.get(answer.headers["Location"])).json["id"] == made["id"]
    assert [item["id"] for item in (await search(api, "obrien z-1"))["items"]] == [made["id"]]
    assert (await town.types())[-3:-1] == ["client.created", "case.opened"]


async def test_a_missing_client_number_is_assigned(api: Api) -> None:
    body = {"first_name": "A", "last_name": "B", "date_of_birth": "1990-02-28"}
    first, second = (await api.post("clients", body)).json, (await api.post("clients", body)).json
    assert first["client_number"] != second["client_number"]
    assert first["cases"] == []


async def test_numbers_that_are_taken_are_refused_and_nothing_is_half_saved(api: Api, town: Town) -> None:
    for field, value in [("client_number", "100007"), ("case_number", "C26-09678")]:
        body = {
            "first_name": "Half",
            "last_name": "Saved",
            "date_of_birth": "1990-02-28",
            "client_number": "1",
            field: value,
        }
        answer = await api.post("clients", body)
        assert answer.status == 409
        assert set(answer.fields) == {field}
        assert (await search(api, "half saved"))["items"] == []
        assert "client.created" not in await town.types()


BAD_NAMES = ["", "   ", "x" * 101, 7, None, "a\x00b", "a\tb", "a\u202eb", ENCODED_WORD]


async def test_names_that_cannot_be_are_refused(api: Api, town: Town) -> None:
    for field, value in [(field, value) for field in ("first_name", "last_name") for value in BAD_NAMES]:
        body = {"first_name": "A", "last_name": "B", "date_of_birth": "1990-02-28", field: value}
        for answer in (await api.post("clients", body), await api.patch(f"clients/{town.client.id}", {field: value})):
            assert (answer.status, set(answer.fields)) == (422, {field}), value
    assert (await api.get(f"clients/{town.client.id}")).json["version"] == 1


async def test_dates_of_birth_that_cannot_be_are_refused(api: Api, town: Town) -> None:
    for value in ["", "1990-02-30", "03/07/1966", 19900101, None, "1700-01-01", "2030-01-01", "1990-02-28T00:00:00Z"]:
        body = {"first_name": "A", "last_name": "B", "date_of_birth": value}
        for answer in (
            await api.post("clients", body),
            await api.patch(f"clients/{town.client.id}", {"date_of_birth": value}),
        ):
            assert answer.status == 422
            assert set(answer.fields) == {"date_of_birth"}


async def test_bodies_that_cannot_be_read_are_refused(api: Api) -> None:
    for body, status in [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"first_name": "a", "first_name": "b"}', 400),
        (b"\xff\xfe", 400),
        (b"x" * 70_000, 413),
    ]:
        answer = await api.call("POST", "clients", body, headers={"Content-Type": "application/json"})
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_other_media_types_are_refused(api: Api) -> None:
    answer = await api.call("POST", "clients", b"first_name=a", headers={"Content-Type": "text/plain"})
    assert answer.status == 415


# Reading


async def test_a_face_sheet_has_everything(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    answer = await api.get(f"clients/{town.client.id}")
    sheet = answer.json
    assert answer.headers["ETag"] == '"1"'
    assert sheet["cases"] == [
        {
            "id": str(await town.case_id()),
            "case_number": "C26-09678",
            "program": "Residential",
            "opened_on": "2019-04-30",
            "closed_on": None,
        }
    ]
    assert sheet["portal_refused"] is False
    assert sheet["dynamic_fields"]["current_residence"] == {
        "City": "",
        "State": "",
        "Zip": "",
        "Phone": "",
        **RESIDENCE,
    }
    assert sheet["agency_portal_url"] == "http://portal.example/riverside/"
    assert sheet["portal_logins"] == [login]


async def test_an_agency_may_name_a_portal_url_of_its_own(api: Api, town: Town) -> None:
    await town.execute("update accounts.agencies set portal_url = 'https://portal.agency.example/'")
    assert (await api.get(f"clients/{town.client.id}")).json["agency_portal_url"] == "https://portal.agency.example/"


async def test_opening_a_face_sheet_is_an_event(api: Api, town: Town) -> None:
    await api.get(f"clients/{town.client.id}")
    assert (await town.types())[-1] == "face_sheet.viewed"


async def test_unknown_clients_and_those_of_others_are_not_there(api: Api, town: Town) -> None:
    other = await town.world.agency("lakeside")
    theirs = await town.world.client(other)
    before = len(await town.events())
    for client_id in (theirs.id, uuid4(), "no-id", "%00", "1"):
        for answer in (
            await api.get(f"clients/{client_id}"),
            await api.patch(f"clients/{client_id}", {"first_name": "X"}),
        ):
            assert answer.status == 404
            assert answer.json["type"] == "/problems/not-found"
    assert len(await town.events()) == before


# Changing


async def test_only_what_is_named_changes(api: Api, town: Town) -> None:
    change = {"first_name": "Cathy", "dynamic_fields": {"current_residence": {"CurrentHomeless": "No", "Street": ""}}}
    answer = await api.patch(f"clients/{town.client.id}", change)
    sheet = answer.json
    assert answer.status == 200
    assert (answer.headers["ETag"], sheet["version"]) == ('"2"', 2)
    assert (sheet["first_name"], sheet["last_name"]) == ("Cathy", "Malek")
    residence = sheet["dynamic_fields"]["current_residence"]
    assert (residence["CurrentHomeless"], residence["Street"], residence["Email"]) == ("No", "", "cmalek@example.com")
    assert (await town.types())[-2:] == ["client.updated", "face_sheet.updated"]
    assert (await search(api, "cathy"))["items"][0]["id"] == str(town.client.id)
    assert (await search(api, "catherine"))["items"] == []


async def test_a_change_that_changes_nothing_has_no_event(api: Api, town: Town) -> None:
    before = len(await town.events())
    same = {"first_name": "Catherine", "portal_refused": False, "dynamic_fields": {"current_residence": {"City": ""}}}
    answer = await api.patch(f"clients/{town.client.id}", same)
    assert (answer.status, answer.json["version"]) == (200, 1)
    assert len(await town.events()) == before


async def test_wrong_entries_are_told_and_nothing_is_half_saved(api: Api, town: Town) -> None:
    for given, field in [
        ({"nowhere": {"A": "b"}}, "dynamic_fields.nowhere"),
        ({"current_residence": {"Planet": "Mars"}}, "dynamic_fields.current_residence.Planet"),
        ({"current_residence": {"Street": 7}}, "dynamic_fields.current_residence.Street"),
        ({"current_residence": {"Street": None}}, "dynamic_fields.current_residence.Street"),
        ({"current_residence": {"Street": "x" * 201}}, "dynamic_fields.current_residence.Street"),
        ({"current_residence": {"Street": "a\x00"}}, "dynamic_fields.current_residence.Street"),
        ({"current_residence": {"Street": "a\nb"}}, "dynamic_fields.current_residence.Street"),
        ({"current_residence": {"Email": "nobody"}}, "dynamic_fields.current_residence.Email"),
        ({"current_residence": {"Email": ENCODED_WORD}}, "dynamic_fields.current_residence.Email"),
        ({"current_residence": {"Email": "=?utf-8?q?x?=@example.com"}}, "dynamic_fields.current_residence.Email"),
        ({"current_residence": {"Phone": "call me"}}, "dynamic_fields.current_residence.Phone"),
        ({"current_residence": {"CurrentHomeless": "Maybe"}}, "dynamic_fields.current_residence.CurrentHomeless"),
        ({"current_residence": []}, "dynamic_fields.current_residence"),
        ([], "dynamic_fields"),
        (None, "dynamic_fields"),
    ]:
        answer = await api.patch(f"clients/{town.client.id}", {"first_name": "Half", "dynamic_fields": given})
        assert answer.status == 422
        assert set(answer.fields) == {field}
        assert (await api.get(f"clients/{town.client.id}")).json["first_name"] == "Catherine"


async def test_everything_wrong_is_told_at_once(api: Api, town: Town) -> None:
    given = {"current_residence": {"Email": "nobody", "Phone": "call me"}}
    answer = await api.patch(f"clients/{town.client.id}", {"date_of_birth": "2030-01-01", "dynamic_fields": given})
    assert list(answer.fields) == [
        "date_of_birth",
        "dynamic_fields.current_residence.Email",
        "dynamic_fields.current_residence.Phone",
    ]


async def test_fields_that_cannot_be_changed_are_refused(api: Api, town: Town) -> None:
    for body in [{"client_number": "5"}, {"id": "x"}, {"version": 3}, {"portal_logins": []}]:
        answer = await api.patch(f"clients/{town.client.id}", body)
        assert answer.status == 422
        assert set(answer.fields.values()) == {"Unknown field."}


async def test_a_change_meanwhile_is_told(api: Api, town: Town) -> None:
    path = f"clients/{town.client.id}"
    assert (await api.patch(path, {"first_name": "One"}, headers={"If-Match": '"1"'})).status == 200
    late = await api.patch(path, {"first_name": "Two"}, headers={"If-Match": '"1"'})
    assert late.status == 412
    assert late.json["type"] == "/problems/changed"
    assert (await api.patch(path, {"first_name": "Two"}, headers={"If-Match": "nonsense"})).status == 412
    assert (await api.get(path)).json["first_name"] == "One"
    for current in ('"2"', 'W/"3"', "*"):
        answer = await api.patch(
            path, {"last_name": f"L{current.strip('W/').strip(chr(34))}"}, headers={"If-Match": current}
        )
        assert answer.status == 200


async def test_the_tag_covers_the_clients_own_fields_only(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    assert (await api.get(f"clients/{town.client.id}")).headers["ETag"] == '"1"'
    await api.patch(f"clients/{town.client.id}", {"first_name": "Cathy"})
    assert (await api.get(f"portal-logins/{login['id']}")).headers["ETag"] == '"1"'


# Refusals


async def test_a_refusal_is_recorded_and_withdrawn(api: Api, town: Town) -> None:
    path = f"clients/{town.client.id}"
    assert (await api.patch(path, {"portal_refused": True})).json["portal_refused"] is True
    assert (await search(api, "malek"))["items"][0]["portal_refused"] is True
    assert (await api.patch(path, {"portal_refused": False})).json["portal_refused"] is False
    refusals = [payload for type_, payload in await town.events() if type_ == "portal_refusal.changed"]
    assert refusals == [{"refused": True}, {"refused": False}]


async def test_a_refusal_leaves_logins_active_unless_told_otherwise(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    sheet = (await api.patch(f"clients/{town.client.id}", {"portal_refused": True})).json
    assert sheet["portal_logins"][0]["active"] is True
    change = {"portal_refused": True, "deactivate_portal_logins": True}
    sheet = (await api.patch(f"clients/{town.client.id}", change)).json
    assert sheet["portal_logins"][0]["active"] is False
    assert await town.mailed() == [], "what was on its way is withdrawn"
    assert (await api.get(f"portal-logins/{login['id']}")).json["version"] == 2


async def test_an_agency_without_a_contract_records_no_refusals(api: Api, town: Town) -> None:
    await town.execute("update accounts.agencies set contracted = false")
    answer = await api.patch(f"clients/{town.client.id}", {"portal_refused": True})
    assert answer.status == 403
    assert answer.json["type"] == "/problems/not-contracted"
    sheet = (await api.patch(f"clients/{town.client.id}", {"first_name": "Cathy"})).json
    assert (sheet["first_name"], sheet["agency_portal_url"]) == ("Cathy", None)
