"""Page forms: what was typed stays, what is wrong is said beside it."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import FormData, web
from pydantic import Field

from shared.errors import FieldError
from shared.http.bodies import Form, read_form
from shared.http.fields import Body, Email, Password, PersonName, Username
from tests.http.conftest import MakeClient

Pairs = list[tuple[str, str]]


class LoginForm(Body):
    username: Username
    email: Email | None = None
    active: bool
    representative: bool = False
    password: Password | None = None
    programs: list[PersonName] = Field(default_factory=list)
    note: str | None = None
    count: int | None = None
    kind: str = Field(default="client", validation_alias="type")
    dynamic_fields: dict[str, dict[str, str]] = Field(default_factory=dict)


class Posted:
    """Sends forms and shows what `read_form` made of them."""

    def __init__(self, make_client: MakeClient) -> None:
        self.make_client = make_client
        self.form: Form[LoginForm] | None = None

    async def __call__(self, data: Any, **headers: str) -> Form[LoginForm]:
        response = await self.answer(data, **headers)
        assert response.status == 204, await response.text()
        assert self.form is not None
        return self.form

    async def answer(self, data: Any, **headers: str) -> Any:
        async def handler(request: web.Request) -> web.Response:
            self.form = await read_form(request, LoginForm)
            return web.Response(status=204)

        client = await self.make_client(web.post("/form", handler))
        return await client.post("/form", data=data, headers={"Sec-Fetch-Site": "same-origin", **headers})


@pytest.fixture
def post(make_client: MakeClient) -> Posted:
    return Posted(make_client)


def multipart(*fields: tuple[str, Any, dict[str, str]]) -> FormData:
    data = FormData(default_to_multipart=True)
    for name, value, options in fields:
        data.add_field(name, value, **options)
    return data


async def test_a_good_form_makes_the_model(post: Posted) -> None:
    form = await post(
        {
            "username": "cmalek",
            "email": "c@example.com",
            "active": "on",
            "count": "3",
            "type": "x",
            "csrf_token": "t",
            "_": "1",
        }
    )
    assert form.errors == {}
    assert form.model is not None
    assert (form.model.username, form.model.active, form.model.representative) == ("cmalek", True, False)
    assert (form.model.count, form.model.kind, form.csrf_token) == (3, "x", "t")
    assert "csrf_token" not in form.values


async def test_multipart_is_read_alike(post: Posted) -> None:
    form = await post(multipart(("username", "cmalek", {}), ("active", "on", {}), ("note", "grüße", {})))
    assert form.model is not None
    assert (form.model.username, form.model.note) == ("cmalek", "grüße")


async def test_boxes_that_are_absent_are_not_ticked(post: Posted) -> None:
    form = await post({"username": "cmalek"})
    assert form.model is not None
    assert form.model.active is False
    assert not form.checked("active")
    assert (await post({"username": "cmalek", "active": "on"})).checked("active")


@pytest.mark.parametrize(
    ("value", "expected"), [("on", True), ("true", True), ("1", True), ("false", False), ("", False)]
)
async def test_the_value_of_a_box(post: Posted, value: str, expected: bool) -> None:
    form = await post({"username": "cmalek", "active": value})
    assert form.model is not None
    assert form.model.active is expected


async def test_an_odd_value_of_a_box_is_said(post: Posted) -> None:
    assert (await post({"username": "cmalek", "active": "perhaps"})).errors == {"active": "Choose Yes or No."}


async def test_wrong_fields_keep_what_was_typed(post: Posted) -> None:
    form = await post({"username": "jo", "email": "nonsense", "note": "  kept as it is "})
    assert form.model is None
    assert form.errors == {
        "username": "Use 3 to 64 letters, digits or any of . _ - @",
        "email": "Enter an e-mail address such as name@example.org.",
    }
    assert (form.value("username"), form.value("email"), form.value("note")) == ("jo", "nonsense", "  kept as it is ")


async def test_empty_fields_are_not_given(post: Posted) -> None:
    form = await post({"username": "", "email": "  ", "note": ""})
    assert form.errors == {"username": "Enter a value."}
    form = await post({"username": "cmalek", "email": "  ", "note": "", "password": ""})
    assert form.model is not None
    assert (form.model.email, form.model.note, form.model.password) == (None, None, None)


async def test_passwords_are_taken_as_they_are_and_never_shown_again(post: Posted) -> None:
    form = await post({"username": "cmalek", "password": "  two  spaces "})
    assert form.model is not None
    assert form.model.password is not None
    assert form.model.password.get_secret_value() == "  two  spaces "
    assert "password" not in form.values
    assert "two" not in repr(form)


async def test_repeated_keys_make_lists(post: Posted) -> None:
    pairs: Pairs = [("username", "cmalek"), ("programs", "Housing"), ("programs", ""), ("programs", "Day")]
    form = await post(FormData(pairs))
    assert form.model is not None
    assert form.model.programs == ["Housing", "Day"]
    assert form.many["programs"] == ("Housing", "", "Day")
    wrong = await post(FormData([("username", "cmalek"), ("programs", "ok"), ("programs", "=?")]))
    assert wrong.errors == {"programs": "Do not use =? here."}


async def test_of_a_repeated_single_field_the_last_counts(post: Posted) -> None:
    form = await post(FormData([("username", "first"), ("username", "second")]))
    assert form.model is not None
    assert form.model.username == "second"


async def test_dotted_names_make_groups(post: Posted) -> None:
    form = await post(
        {
            "username": "cmalek",
            "dynamic_fields.current_residence.Email": "a@example.com",
            "dynamic_fields.current_residence.CurrentHomeless": "",
        }
    )
    assert form.model is not None
    assert form.model.dynamic_fields == {"current_residence": {"Email": "a@example.com", "CurrentHomeless": ""}}
    assert form.value("dynamic_fields.current_residence.Email") == "a@example.com"


@pytest.mark.parametrize(
    "pairs",
    [
        [("dynamic_fields", "x"), ("dynamic_fields.a.b", "y")],
        [("dynamic_fields.a.b", "y"), ("dynamic_fields.a", "x")],
    ],
)
async def test_a_name_for_both_a_value_and_a_group_is_400(post: Posted, pairs: Pairs) -> None:
    assert (await post.answer(FormData([("username", "cmalek"), *pairs]))).status == 400


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x1b", "\x7f", "\x9f"])
async def test_control_characters_are_refused_by_name(post: Posted, character: str) -> None:
    form = await post({"username": "cmalek", "note": f"a{character}b"})
    assert form.errors == {"note": "Remove the characters that cannot be seen."}
    assert form.model is None
    assert form.value("note") == "a\ufffdb"
    missing = await post({"username": f"cmalek{character}"})
    assert missing.errors == {"username": "Remove the characters that cannot be seen."}


async def test_lone_surrogates_are_refused(post: Posted) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\ncmalek\r\n'
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n'
        b"Content-Type: text/plain; charset=raw_unicode_escape\r\n\r\n\\ud800\r\n--b--\r\n"
    )
    form = await post(body, **{"Content-Type": "multipart/form-data; boundary=b"})
    assert form.errors == {"note": "Remove the characters that cannot be seen."}
    assert form.value("note") == "\ufffd"


async def test_lines_end_as_on_the_server(post: Posted) -> None:
    form = await post({"username": "cmalek", "note": "one\r\ntwo"})
    assert form.model is not None
    assert form.model.note == "one\ntwo"


async def test_unknown_fields_are_said(post: Posted) -> None:
    assert (await post({"username": "cmalek", "usernam": "x"})).errors == {"usernam": "Unknown field."}


async def test_files_are_refused(post: Posted) -> None:
    form = await post(multipart(("username", "cmalek", {}), ("note", b"GIF89a", {"filename": "a.gif"})))
    assert form.errors == {"note": "Files cannot be sent here."}


async def test_errors_of_the_use_case_join(post: Posted) -> None:
    form = (await post({"username": "cmalek"})).refused([FieldError("username", "That username is in use.")])
    assert form.errors == {"username": "That username is in use."}
    assert form.model is None
    assert form.value("username") == "cmalek"


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"username=%ff%fe", "application/x-www-form-urlencoded", 204),
        (b"username=a", "application/x-www-form-urlencoded; charset=klingon", 400),
        (b"username=\xff", "application/x-www-form-urlencoded", 400),
        (b"no boundary at all", "multipart/form-data", 400),
        (b"no boundary inside", "multipart/form-data; boundary=b", 400),
        (b"--b\r\n\r\nnameless\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b"--b\r\nno header", "multipart/form-data; boundary=b", 400),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\ncut o", "multipart/form-data; boundary=b", 400),
        (b"us%00er=1", "application/x-www-form-urlencoded", 400),
        (b"username=" + b"a" * 300_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"f%d=1" % n for n in range(2_000)), "application/x-www-form-urlencoded", 413),
    ],
)
async def test_forms_that_cannot_be_read(post: Posted, raw: bytes, kind: str, status: int) -> None:
    assert (await post.answer(raw, **{"Content-Type": kind})).status == status
