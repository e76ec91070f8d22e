"""OpenAPI 3.1 from the application's own router: what is documented is what is routed.

Handlers say what they do with `operation`; `openapi_routes` serves the description and a page to try it.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from shared.http.openapi_document import build
from shared.http.openapi_viewer import POLICY, as_openapi_30, viewer_assets, viewer_page
from shared.http.operations import Security, operation, operation_of
from shared.http.problems import JSON_PATHS

__all__ = ["Security", "openapi_routes", "operation", "undocumented"]


def openapi_routes(title: str, version: str, description: str) -> list[web.RouteDef]:
    """``GET /openapi.json`` (OpenAPI 3.1) and ``GET /docs``; add them to the application whose routes they describe."""
    made: dict[str, bytes] = {}

    def described(app: web.Application, name: str) -> web.Response:
        # Made at the first question, when every route is there; routes do not change afterwards.
        if not made:
            document = build(app, title=title, version=version, description=description)
            made["3.1"], made["3.0"] = msgspec.json.encode(document), msgspec.json.encode(as_openapi_30(document))
        return web.Response(body=made[name], content_type="application/json")

    async def openapi(request: web.Request) -> web.Response:
        return described(request.app, "3.1")

    async def openapi_for_viewer(request: web.Request) -> web.Response:
        return described(request.app, "3.0")

    assets = viewer_assets("/docs/assets")
    page = viewer_page(title, assets)

    async def docs(request: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    return [
        web.get("/openapi.json", openapi, name="openapi"),
        web.get("/docs", docs, name="docs"),
        web.get("/docs/openapi.json", openapi_for_viewer, name="viewer-openapi"),
        *assets.routes(),
    ]


def undocumented(app: web.Application) -> list[str]:
    """API routes without an operation and operations outside of the API's paths; empty when all is well."""
    found = []
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else ""
        is_api = path.startswith(JSON_PATHS)
        if route.method != "HEAD" and is_api != (operation_of(route.handler) is not None):
            found.append(f"{route.method} {path}")
    return sorted(found)
