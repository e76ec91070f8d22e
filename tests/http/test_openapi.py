"""What is documented is what is routed."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import Field

from shared.errors import DomainError
from shared.http.answers import Page
from shared.http.fields import Answer, Body, Cursor, Email, Limit, PersonName, Query
from shared.http.openapi import openapi_routes, operation, undocumented
from tests.http.conftest import MakeClient


class PortalRefused(DomainError):
    """The client refused the portal."""


class LoginIn(Body):
    email: Email | None = Field(default=None, examples=["ann@example.com"])
    name: PersonName


class LoginOut(Answer):
    id: UUID
    name: str = Field(examples=["Ann"])
    parent: LoginOut | None = None
    kind: Literal["login"] = "login"


class Tokens(Answer):
    access_token: str


class ChangePassword(Answer):
    password_change_required: Literal[True] = True


class Listing(Query):
    limit: Limit = 25
    cursor: Cursor | None = None
    start_date: date | None = None


@operation(
    "Change a login",
    body=LoginIn,
    answers={200: LoginOut},
    problems=[PortalRefused],
    security="staff",
    tag="Portal logins",
    etag=True,
)
async def update(request: web.Request) -> web.Response:
    """Fields that are not named stay as they are."""
    return web.Response()


@operation("List logins", query=Listing, answers={200: Page[LoginOut]}, security="both", tag="Portal logins")
async def listing(request: web.Request) -> web.Response:
    return web.Response()


@operation("Sign in", answers={200: Tokens | ChangePassword, 204: None}, security=None, tag="Tokens")
async def sign_in(request: web.Request) -> web.Response:
    return web.Response()


async def bare(request: web.Request) -> web.Response:
    return web.Response()


ROUTES = (
    web.patch("/api/v1/portal-logins/{id}", update),
    web.get("/api/v1/portal-logins", listing),
    web.post("/api/v1/token", sign_in),
    web.post("/api/v2/token", sign_in),
    web.get("/a-page", bare),
    *openapi_routes("Portico portal", "1.2.3", "What the portal answers."),
)


async def document(make_client: MakeClient) -> dict[str, Any]:
    response = await (await make_client(*ROUTES)).get("/openapi.json")
    assert (response.status, response.content_type) == (200, "application/json")
    found: dict[str, Any] = await response.json()
    return found


async def test_the_routes_of_the_api_and_no_others_are_there(make_client: MakeClient) -> None:
    found = await document(make_client)
    assert found["openapi"] == "3.1.0"
    assert found["info"] == {"title": "Portico portal", "version": "1.2.3", "description": "What the portal answers."}
    assert {path: sorted(methods) for path, methods in found["paths"].items()} == {
        "/api/v1/portal-logins/{id}": ["patch"],
        "/api/v1/portal-logins": ["get"],
        "/api/v1/token": ["post"],
        "/api/v2/token": ["post"],
    }


async def test_an_operation_says_what_it_takes(make_client: MakeClient) -> None:
    found = (await document(make_client))["paths"]
    patch = found["/api/v1/portal-logins/{id}"]["patch"]
    assert patch["summary"] == "Change a login"
    assert patch["description"] == "Fields that are not named stay as they are."
    assert patch["security"] == [{"staff": []}]
    assert patch["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/LoginIn"}
    parameters = {(p["in"], p["name"]): p for p in patch["parameters"]}
    assert parameters["path", "id"]["schema"] == {"type": "string", "format": "uuid"}
    assert parameters["header", "If-Match"]["required"] is False
    get = found["/api/v1/portal-logins"]["get"]
    assert get["security"] == [{"staff": []}, {"client": []}]
    limit = next(p for p in get["parameters"] if p["name"] == "limit")
    assert (limit["in"], limit["required"], limit["schema"]["maximum"], limit["schema"]["default"]) == (
        "query",
        False,
        200,
        25,
    )


async def test_an_operation_says_what_it_answers(make_client: MakeClient) -> None:
    found = await document(make_client)
    responses = found["paths"]["/api/v1/portal-logins/{id}"]["patch"]["responses"]
    assert {"200", "400", "401", "403", "404", "408", "409", "412", "413", "415", "422", "500", "503"} == set(responses)
    assert "ETag" in responses["200"]["headers"]
    assert "/problems/portal-refused" in responses["409"]["description"]
    assert responses["409"]["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "Retry-After" in responses["503"]["headers"]
    token = found["paths"]["/api/v1/token"]["post"]
    assert token["security"] == []
    assert len(token["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]) == 2
    assert "content" not in token["responses"]["204"]
    assert set(token["responses"]) == {"200", "204", "500", "503"}


async def test_every_reference_leads_somewhere_and_every_name_is_unique(make_client: MakeClient) -> None:
    found = await document(make_client)
    text = repr(found)
    for name in re.findall(r"#/components/schemas/([^'\"]+)", text):
        assert name in found["components"]["schemas"]
    assert "Page_LoginOut_" in found["components"]["schemas"]
    assert found["components"]["schemas"]["LoginOut"]["properties"]["name"]["examples"] == ["Ann"]
    assert found["components"]["securitySchemes"]["staff"]["scheme"] == "bearer"
    names = [entry["operationId"] for methods in found["paths"].values() for entry in methods.values()]
    assert len(names) == len(set(names))


async def test_undocumented_routes_are_found(make_client: MakeClient) -> None:
    complete = await make_client(*ROUTES)
    assert complete.app is not None
    assert undocumented(complete.app) == []
    lacking = await make_client(web.get("/api/v1/bare", bare), web.get("/outside", sign_in))
    assert lacking.app is not None
    assert undocumented(lacking.app) == ["GET /api/v1/bare", "GET /outside"]


async def test_the_viewer_is_served_from_here_alone(make_client: MakeClient) -> None:
    client = await make_client(*ROUTES)
    page = await client.get("/docs")
    text = await page.text()
    assert (page.status, page.content_type) == (200, "text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "http" not in policy
    assert "http" not in text.replace("https://portico", "")
    assert "<script>" not in text
    assets = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(assets) == 6
    for asset in assets:
        response = await client.get(asset)
        assert response.status == 200, asset
        assert len(await response.read()) > 0
        if asset.startswith("/docs/assets/"):
            assert "immutable" in response.headers["Cache-Control"]
    assert (await client.get("/docs/assets/x/swagger-ui-es-bundle.js")).status == 404


async def test_the_viewer_gets_a_form_that_it_knows(make_client: MakeClient) -> None:
    found = await (await (await make_client(*ROUTES)).get("/docs/openapi.json")).json()
    assert found["openapi"] == "3.0.3"
    out = found["components"]["schemas"]["LoginOut"]
    assert out["properties"]["kind"]["enum"] == ["login"]
    assert out["properties"]["name"]["example"] == "Ann"
    assert out["properties"]["parent"]["nullable"] is True
    assert out["properties"]["parent"]["allOf"] == [{"$ref": "#/components/schemas/LoginOut"}]
    assert found["components"]["schemas"]["LoginIn"]["properties"]["email"]["nullable"] is True
    assert "'null'" not in repr(found)
