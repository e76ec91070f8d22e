"""Fields that nobody offered: a body or a form that brings them is refused, or they have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from tests.security.doors import UNSAFE, Door, Street
from tests.security.page_forms import read_page

# What somebody would set who has read the source.
PRIVILEGED: dict[str, Any] = {
    "role": "agency_admin",
    "agency_id": "00000000-0000-0000-0000-000000000001",
    "agency": "lakeside",
    "id": "00000000-0000-0000-0000-000000000002",
    "client_id": "00000000-0000-0000-0000-000000000003",
    "staff_user_id": "00000000-0000-0000-0000-000000000004",
    "password": "x",
    "password_hash": "x",
    "temporary_password_hash": "x",
    "temporary_password": "x",
    "is_admin": True,
    "admin": True,
    "contracted": True,
    "version": 99,
    "password_state": "own",
    "locked_until": None,
    "reported_at": None,
    "email_unconfirmed_since": None,
    "email_bounced": None,
    "created_at": "2020-01-01T00:00:00Z",
    "session_id": "00000000-0000-0000-0000-000000000005",
    "sub": "00000000-0000-0000-0000-000000000006",
    "kind": "staff",
    "__proto__": {"role": "agency_admin"},
    "constructor": {},
    "$where": "1",
    "unheard_of": "x",
}


async def document(door: Door) -> dict[str, Any]:
    status, found = await door.json("GET", "/openapi.json")
    assert status == 200
    described: dict[str, Any] = found
    return described


def resolved(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def objects(schema: dict[str, Any], described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The alternatives of a body, each an object."""
    schema = resolved(schema, described)
    for part in schema.get("anyOf") or schema.get("oneOf") or [schema]:
        yield resolved(part, described)


def example(schema: dict[str, Any], described: dict[str, Any]) -> Any:
    """Something that the schema takes."""
    schema = resolved(schema, described)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], described)
    if "const" in schema or schema.get("enum"):
        return schema.get("const", (schema.get("enum") or [None])[0])
    if schema.get("format") == "uuid":
        return str(uuid4())
    if schema.get("format") == "email":
        return "somebody@example.com"
    if schema.get("format") == "date":
        return "1970-01-01"
    return {"boolean": True, "integer": 1, "object": {}, "array": []}.get(str(schema.get("type")), "something")


async def bodies(door: Door) -> list[tuple[str, str, dict[str, Any], set[str]]]:
    """Method, path, a body with what is required, and the fields that there are, of each operation with a body."""
    described, found = await document(door), []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation:
                continue
            for schema in objects(operation["requestBody"]["content"]["application/json"]["schema"], described):
                fields = schema.get("properties", {})
                body = {name: example(fields[name], described) for name in schema.get("required", ())}
                found.append((method.upper(), path, body, set(fields)))
    return found


async def test_every_body_of_every_api_refuses_fields_that_it_does_not_have(street: Street) -> None:
    for door in street.doors:
        token = await street.token(door)
        before, walked = await street.state(), 0
        for method, path, body, fields in await bodies(door):
            for name, value in PRIVILEGED.items():
                if name in fields:
                    continue
                status, problem = await door.json(method, door.address(path), {**body, name: value}, token=token)
                if door is street.audit:
                    # The door between services: a person is refused before anything is read.
                    assert status == 401
                    continue
                assert status == 422, (door.name, method, path, name, status)
                assert name in [error["field"].split(".")[0] for error in problem["errors"]], (path, name, problem)
                walked += 1
        assert walked >= 50 or door is street.audit
        assert await street.state() == before


async def test_every_query_refuses_fields_that_it_does_not_have(street: Street) -> None:
    for door in street.doors:
        token, described, walked = await street.token(door), await document(door), 0
        for path, methods in described["paths"].items():
            found = [p for p in methods.get("get", {}).get("parameters", ()) if p["in"] == "query"]
            if not found:
                continue
            for extra in ("role=agency_admin", "agency_id=1", "unheard_of=1", "limit=1&limit=2"):
                required = "&".join(f"{p['name']}={street.client.id}" for p in found if p["required"])
                status, _ = await door.json("GET", f"{door.address(path)}?{required}&{extra}", token=token)
                assert status in (403, 422), (door.name, path, extra)
                walked += 1
        assert walked >= 4 or door is street.portal


async def test_a_name_that_is_there_twice_is_refused(street: Street) -> None:
    """One reader takes the first, the next one the last."""
    for door in street.page_doors:
        raw = b'{"agency": "riverside", "username": "x", "username": "cmalek", "password": "x"}'
        answer = await door.ask("POST", "/api/v1/token", data=raw, headers={"Content-Type": "application/json"})
        assert answer.status == 400


async def test_no_form_of_a_page_takes_privileged_fields(street: Street) -> None:
    """Everything that a page's own form sends, and more besides: nothing but what the form is for changes."""
    extra = {name: str(value) for name, value in PRIVILEGED.items()}
    for door in street.page_doors:
        token, walked = await street.signed_in(door), 0
        before = await privileged(street)
        for route in door.pages(*UNSAFE):
            page = route.pattern.rpartition("/")[2]
            if page in ("sign-out", "end", "end-others"):
                continue
            address = door.address(route.pattern)
            shown = await door.ask("GET", address, headers={"Accept": "text/html"})
            _, forms = read_page(await shown.text()) if shown.status == 200 else ([], [])
            own = {name: value for form in forms for name, value in form.values.items()}
            # Without the values that a form needs it is refused for them; with these it is refused for the others.
            for sent in ({**extra, **own, "csrf_token": token}, {**own, **extra, "csrf_token": token, "do": "update"}):
                answer = await door.form(address, sent)
                assert answer.status < 500, (door.name, route, answer.status)
                walked += 1
        assert walked >= 6
        assert await privileged(street) == before


async def privileged(street: Street) -> list[Any]:
    return [
        await street.rows(
            "select id, agency_id, username, role, active, password_hash from accounts.staff_users order by id"
        ),
        await street.rows(
            "select id, agency_id, client_id, username, email, active, password_hash, temporary_password_hash, created_at"
            " from accounts.portal_logins order by id"
        ),
        await street.rows("select id, slug, contracted from accounts.agencies order by id"),
        await street.rows("select id, agency_id, client_number from accounts.clients order by id"),
    ]
