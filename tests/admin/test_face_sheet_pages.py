"""Finding a client, reading the face sheet, changing it, and two people changing it at once."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from services.admin.keys import WORK
from shared.accounts import field_blocks
from shared.accounts.field_blocks import Block, Entry
from tests.admin.conftest import Api, Browser, Page, Town

STREET = "dynamic_fields__current_residence__Street"
CITY = "dynamic_fields__current_residence__City"
EMAIL = "dynamic_fields__current_residence__Email"
HOMELESS = "dynamic_fields__current_residence__CurrentHomeless"


async def search(browser: Browser, query: str, *, place: str = "face-sheet", **fields: str) -> Page:
    page = await browser.get(place)
    return await browser.post(place, {**page.form('role="search"'), "query": query, **fields})


async def stored(town: Town) -> dict[str, Any]:
    (row,) = await town.rows(
        "select first_name, last_name, dynamic_fields::text, portal_refused, version from accounts.clients"
    )
    return {**row, **json.loads(row["dynamic_fields"]).get("current_residence", {})}


# Menus and search


async def test_the_way_to_a_face_sheet(browser: Browser, town: Town) -> None:
    main = await browser.get("")
    assert 'href="/riverside/admissions">Admissions Menu</a>' in main.text
    assert 'href="/riverside/reports">Reports Menu</a>' in main.text
    admissions = await browser.get("admissions")
    assert 'href="/riverside/face-sheet">Face Sheet</a>' in admissions.text
    found = await search(browser, "malek")
    assert found.status == 200
    assert "Malek, Catherine 03/07/1966 100007 C26-09678 Select Catherine Malek, 100007" in found.words
    assert f'href="/riverside/clients/{town.client.id}"' in found.text
    assert "malek" not in str(found.headers.get("Location", ""))


async def test_results_tell_a_refusal_and_a_client_without_a_case(browser: Browser, town: Town) -> None:
    await town.world.client(town.agency, client_number="2", last_name="Malekian", case_number=None)
    await town.execute("update accounts.clients set portal_refused = true where client_number = '2'")
    found = await search(browser, "male")
    assert "Malekian, Catherine Refused portal login 03/07/1966 2 No case" in found.words
    assert found.text.count("Refused portal login") == 1


async def test_a_search_without_a_hit_says_so(browser: Browser) -> None:
    assert "No client was found." in (await search(browser, "nobody")).words


async def test_more_results_follow_by_post(browser: Browser, town: Town) -> None:
    for n in range(30):
        await town.world.client(town.agency, client_number=f"N{n:02}", first_name=f"A{n:02}", case_number=None)
    first = await search(browser, "malek")
    cursor = first.text.partition('name="cursor" value="')[2].partition('"')[0]
    assert "More results" in first.words
    second = await browser.post("face-sheet", {**first.form('class="buttons"'), "cursor": cursor})
    names = [page.text.count("Select\n") for page in (first, second)]
    assert names == [25, 6]
    assert "More results" not in second.words
    assert "First results" in second.words


async def test_a_search_that_makes_no_sense_is_told_beside_the_field(browser: Browser) -> None:
    for query in ("", "   ", "x" * 201, "nul\x00", "a\u202eb"):
        page = await search(browser, query)
        assert (page.status, len(page.errors)) == (422, 1), query
        assert page.summary.startswith("Please correct one entry")
    for cursor in ("nonsense", str(uuid4())):
        page = await search(browser, "malek", cursor=cursor)
        assert page.status == 422
        assert page.summary


async def test_a_search_needs_the_sessions_own_form(browser: Browser) -> None:
    assert (await browser.post("face-sheet", {"query": "malek"})).status == 403


# Reading


async def test_the_face_sheet_shows_everything(browser: Browser, town: Town, api: Api) -> None:
    await api.login(town.client, representative=True)
    page = await browser.get(f"clients/{town.client.id}")
    for words in (
        "Main Menu Admissions Menu Face Sheet Catherine Malek",
        "First Name Catherine Last Name Malek Date of Birth 03/07/1966 Client Number 100007",
        "C26-09678 Residential 04/30/2019 Open",
        "Street 12 Linden Street City Not recorded",
        "CurrentHomeless Yes",
        "Client Refused Portal Login No",
        "Agency Portal URL http://portal.example/riverside/",
        "cmalek cmalek@example.com Yes Yes",
    ):
        assert words in page.words
    assert page.text.count(">Edit</button>") == 1
    assert (await town.types())[-1] == "face_sheet.viewed"


async def test_a_refusal_stands_at_the_top(browser: Browser, town: Town) -> None:
    await town.execute("update accounts.clients set portal_refused = true")
    for path in (f"clients/{town.client.id}", f"clients/{town.client.id}/edit"):
        page = await browser.get(path)
        assert "This client was asked and refused a portal login." in page.words, path


async def test_without_a_contract_there_is_no_client_portal_section(browser: Browser, town: Town) -> None:
    await town.execute("update accounts.agencies set contracted = false")
    for path in (f"clients/{town.client.id}", f"clients/{town.client.id}/edit"):
        page = await browser.get(path)
        assert page.status == 200
        assert "Client Portal" not in page.words
        assert "Portal Login" not in page.words
    page = await browser.edit(town.client)
    assert (await browser.press(town.client, page, "do=add-login")).status == 403
    done = await browser.press(town.client, page, "do=update", first_name="Cathy")
    assert done.status == 303
    assert (await stored(town))["first_name"] == "Cathy"


async def test_a_refusal_from_before_stays_when_the_contract_ended(browser: Browser, town: Town) -> None:
    await town.execute("update accounts.clients set portal_refused = true")
    await town.execute("update accounts.agencies set contracted = false")
    page = await browser.edit(town.client)
    assert (await browser.press(town.client, page, "do=update", first_name="Cathy")).status == 303
    assert (await stored(town))["portal_refused"] is True


async def test_unknown_clients_and_those_of_others_are_not_there(browser: Browser, town: Town) -> None:
    other = await town.world.agency("lakeside")
    theirs = await town.world.client(other, case_number=None)
    before = len(await town.events())
    form = {"do": "update", "case": "no-case", "form": "face-sheet-changes"}
    for path in ("clients/{}", "clients/{}/edit", "document-center/{}", "document-center/{}/no-case"):
        for client_id in (theirs.id, uuid4(), "no-id", "1", "%00"):
            assert (await browser.get(path.format(client_id))).status == 404
            assert (await browser.post(path.format(client_id), form)).status in (403, 404, 405)
    assert len(await town.events()) == before


# Changing


async def test_update_stores_what_was_changed_and_nothing_else(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    done = await browser.press(
        town.client, page, "do=update", first_name=" Cathy ", **{HOMELESS: "No", CITY: "Fairhaven"}
    )
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/clients/{town.client.id}?updated=1")
    view = await browser.get(done.headers["Location"])
    assert "The face sheet was updated." in view.words
    row = await stored(town)
    assert (row["first_name"], row["last_name"], row["CurrentHomeless"], row["City"]) == (
        "Cathy",
        "Malek",
        "No",
        "Fairhaven",
    )
    updated = next(payload for type_, payload in await town.events() if type_ == "face_sheet.updated")
    assert [entry["field"] for entry in updated["blocks"][0]["entries"]] == ["City", "CurrentHomeless"]


async def test_an_untouched_form_stores_nothing(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    done = await browser.press(town.client, page, "do=update")
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/clients/{town.client.id}")
    assert (await stored(town))["version"] == 1
    assert "face_sheet.updated" not in await town.types()


async def test_cancel_goes_back_and_stores_nothing(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    done = await browser.press(town.client, page, "do=leave", first_name="Cathy")
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/clients/{town.client.id}")
    assert (await stored(town))["first_name"] == "Catherine"


async def test_wrong_input_is_told_beside_each_field_and_kept(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    typed = {
        "first_name": "",
        "last_name": "x" * 101,
        "date_of_birth": "1966-02-30",
        EMAIL: "nobody",
        "dynamic_fields__current_residence__Phone": "call me",
        STREET: "y" * 201,
        CITY: "Fairhaven",
    }
    answer = await browser.press(town.client, page, "do=update", **typed)
    assert answer.status == 422
    assert len(answer.errors) == 3, "the fields of the client come first"
    assert answer.summary.startswith("Please correct 3 entries")
    form = answer.form()
    assert all(form[name.replace("__", ".")] == text for name, text in typed.items())
    better = {"first_name": "Cathy", "last_name": "Malek", "date_of_birth": "1966-03-08"}
    answer = await browser.press(town.client, answer, "do=update", **better)
    assert answer.status == 422
    assert len(answer.errors) == 3
    assert "Current Residence - Email: Enter an e-mail address such as name@example.com." in answer.summary
    assert (await stored(town))["version"] == 1
    fixed = {EMAIL: "c@example.com", "dynamic_fields__current_residence__Phone": "", STREET: ""}
    assert (await browser.press(town.client, answer, "do=update", **fixed)).status == 303
    row = await stored(town)
    assert (row["first_name"], row["City"], row["Email"], row.get("Street")) == (
        "Cathy",
        "Fairhaven",
        "c@example.com",
        None,
    )


async def test_characters_that_cannot_be_stored_are_told(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    for name, text in (
        ("first_name", "nul\x00"),
        ("last_name", "=?utf-8?q?x=0ABcc=3Aevil@example.com?="),
        ("last_name", "a\u202eb"),
        (STREET, "bell\x07"),
        (STREET, "two\nlines"),
        (EMAIL, "=?utf-8?q?x=0ABcc=3Aevil@example.com?="),
        (EMAIL, "=?utf-8?q?x?=@example.com"),
        (HOMELESS, "Maybe"),
        ("date_of_birth", "7"),
        ("date_of_birth", "2030-01-01"),
    ):
        answer = await browser.press(town.client, page, "do=update", **{name: text})
        assert (answer.status, len(answer.errors)) == (422, 1), (name, text)
    assert (await stored(town))["version"] == 1


async def test_a_form_that_was_tampered_with_is_refused(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    other = json.loads(page.form()["base"]) | {"id": str(uuid4())}
    for base, status in (("", 400), ("{", 400), ("[]", 400), ('{"version": 1}', 400), (json.dumps(other), 404)):
        answer = await browser.press(town.client, page, "do=update", first_name="Evil", base=base)
        assert answer.status == status, base
    for button in ("do=nothing", "do=", "x=y", "do=save-login", "do=populate"):
        answer = await browser.press(town.client, page, button, first_name="Evil")
        assert answer.status == 400, button
    answer = await browser.press(town.client, page, "do=update", dynamic_fields__nowhere__X="y", first_name="Ok")
    assert answer.status == 303
    assert "X" not in await stored(town)


async def test_a_value_that_is_no_choice_any_more_stays_unless_it_is_changed(browser: Browser, town: Town) -> None:
    await town.execute(
        "update accounts.clients set dynamic_fields = jsonb_set(dynamic_fields, '{current_residence,CurrentHomeless}', '\"Unsure\"')"
    )
    page = await browser.edit(town.client)
    assert page.form()["dynamic_fields.current_residence.CurrentHomeless"] == "Unsure"
    assert (await browser.press(town.client, page, "do=update", first_name="Cathy")).status == 303
    assert (await stored(town))["CurrentHomeless"] == "Unsure"


async def test_other_blocks_have_inputs_by_their_type(browser: Browser, town: Town, api: Api) -> None:
    block = Block("emergency", "Emergency Contact", (Entry("Since", "Since", "date"), Entry("Call", "Call", "phone")))
    async with api.app[WORK].pool.transaction(town.agency.id) as conn:
        await field_blocks.insert(conn, town.agency.id, uuid4(), block, 5)
    page = await browser.edit(town.client)
    assert 'type="date" value="" id="field-dynamic-fields-emergency-Since"' in page.text
    assert 'type="tel" value="" id="field-dynamic-fields-emergency-Call"' in page.text
    done = await browser.press(town.client, page, "do=update", dynamic_fields__emergency__Since="2020-05-06")
    view = await browser.get(done.headers["Location"])
    assert "Emergency Contact Since 05/06/2020 Call Not recorded" in view.words


# Two people at once


async def test_of_two_people_the_second_is_told_and_loses_nothing(browser: Browser, town: Town, api: Api) -> None:
    page = await browser.edit(town.client)
    theirs = {"first_name": "Kate", "dynamic_fields": {"current_residence": {"Street": "Theirs", "City": "Theirs"}}}
    await api.patch(f"clients/{town.client.id}", theirs)
    mine = {STREET: "Mine", "last_name": "Mine", HOMELESS: "No"}
    told = await browser.press(town.client, page, "do=update", **mine)
    assert told.status == 412
    assert "Somebody else changed this face sheet while you were editing it" in told.words
    for words in (
        "First Name Catherine Kate You did not change it",
        "Current Residence - Street 12 Linden Street Theirs Mine",
        "Current Residence - City (empty) Theirs You did not change it",
    ):
        assert words in told.words
    form = told.form()
    assert (form["first_name"], form["last_name"]) == ("Kate", "Mine")
    assert form["dynamic_fields.current_residence.Street"] == "Mine"
    assert form["dynamic_fields.current_residence.City"] == "Theirs"
    assert (await stored(town))["Street"] == "Theirs", "nothing is stored before it was seen"
    assert (await browser.press(town.client, told, "do=update")).status == 303
    row = await stored(town)
    assert (row["first_name"], row["last_name"], row["Street"], row["City"]) == ("Kate", "Mine", "Mine", "Theirs")
    assert row["CurrentHomeless"] == "No"


async def test_a_conflict_over_a_refusal_is_told_in_words(browser: Browser, town: Town, api: Api) -> None:
    page = await browser.edit(town.client)
    await api.patch(f"clients/{town.client.id}", {"portal_refused": True})
    told = await browser.press(town.client, page, "do=update", first_name="Cathy")
    assert "Client Refused Portal Login No Yes You did not change it" in told.words
    assert told.form()["portal_refused"] == "on"
    assert (await browser.press(town.client, told, "do=update")).status == 303
    assert (await stored(town))["portal_refused"] is True


async def test_a_conflict_that_meets_a_conflict_is_told_again(browser: Browser, town: Town, api: Api) -> None:
    page = await browser.edit(town.client)
    for name in ("One", "Two"):
        await api.patch(f"clients/{town.client.id}", {"first_name": name})
        page = await browser.press(town.client, page, "do=update", last_name="Mine")
        assert page.status == 412
        assert name in page.words
    assert (await browser.press(town.client, page, "do=update")).status == 303
    row = await stored(town)
    assert (row["first_name"], row["last_name"]) == ("Two", "Mine")


async def test_whoever_signed_in_again_keeps_what_they_typed(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    await browser.sign_in()
    told = await browser.press(town.client, page, "do=update", first_name="Cathy")
    assert told.status == 403
    assert "What you typed is still here" in told.words
    assert (await stored(town))["first_name"] == "Catherine"
    assert (await browser.press(town.client, told, "do=update")).status == 303
    assert (await stored(town))["first_name"] == "Cathy"


# Refusals


async def test_a_refusal_is_recorded_and_withdrawn(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    assert (await browser.press(town.client, page, "do=update", portal_refused="on")).status == 303
    page = await browser.edit(town.client)
    assert page.form()["portal_refused"] == "on"
    assert (await browser.press(town.client, page, "do=update", portal_refused=None)).status == 303
    refusals = [payload for type_, payload in await town.events() if type_ == "portal_refusal.changed"]
    assert refusals == [{"refused": True}, {"refused": False}]


@pytest.mark.parametrize(("answer", "active"), [("yes", False), ("no", True)])
async def test_a_refusal_asks_about_active_logins_first(
    browser: Browser, town: Town, api: Api, answer: str, active: bool
) -> None:
    login = await api.login(town.client)
    page = await browser.edit(town.client)
    asked = await browser.press(town.client, page, "do=update", portal_refused="on", first_name="Cathy")
    assert asked.status == 409
    assert "Make the active portal logins inactive as well?" in asked.words
    form = asked.form()
    assert (form["portal_refused"], form["first_name"]) == ("on", "Cathy")
    assert "deactivate_portal_logins" not in form
    assert (await stored(town))["version"] == 1
    again = await browser.press(town.client, asked, "do=update", deactivate_portal_logins="whatever")
    assert again.status == 409
    done = await browser.press(town.client, again, "do=update", deactivate_portal_logins=answer)
    assert done.status == 303
    assert (await api.get(f"portal-logins/{login['id']}")).json["active"] is active
    row = await stored(town)
    assert (row["portal_refused"], row["first_name"]) == (True, "Cathy")


async def test_the_answer_is_kept_through_the_window(browser: Browser, town: Town, api: Api) -> None:
    await api.login(town.client)
    page = await browser.edit(town.client)
    asked = await browser.press(town.client, page, "do=update", portal_refused="on")
    opened = await browser.press(town.client, asked, "do=add-login", deactivate_portal_logins="yes")
    assert opened.form()["deactivate_portal_logins"] == "yes"
    closed = await browser.press(town.client, opened, "do=cancel")
    assert (await browser.press(town.client, closed, "do=update")).status == 303
    assert (await api.get(f"clients/{town.client.id}")).json["portal_logins"][0]["active"] is False
