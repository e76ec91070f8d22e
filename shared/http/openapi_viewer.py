"""The page that shows the OpenAPI description: Swagger UI from its package, nothing from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import swagger_ui_bundle

from shared.http.static_files import StaticFiles

_FROM_BUNDLE = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_OURS = ("init.js", "page.css")

# The viewer sets style attributes as it draws; everything else stays as strict as on our own pages.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def viewer_assets(prefix: str) -> StaticFiles:
    """The viewer's files and our few lines that start it."""
    ours = files("shared.http") / "viewer"
    return StaticFiles([swagger_ui_bundle.swagger_ui_path, ours], prefix, only=(*_FROM_BUNDLE, *_OURS))


def viewer_page(title: str, assets: StaticFiles) -> str:
    """The page's markup."""
    page = (files("shared.http") / "viewer" / "index.html").read_text(encoding="utf-8")
    for name in (*_FROM_BUNDLE, *_OURS):
        page = page.replace(f"{{{name}}}", assets.url(name))
    return page.replace("{title}", html.escape(title))


def as_openapi_30(document: Mapping[str, Any]) -> dict[str, Any]:
    """``document`` in the terms of OpenAPI 3.0: the packaged viewer is of the last line that knows no other."""
    return {**_convert(document), "openapi": "3.0.3"}


def _convert(node: Any) -> Any:
    if isinstance(node, list):
        return [_convert(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    found = {
        # The names of fields and examples are not ours to read as keywords.
        key: {name: _convert(inner) for name, inner in value.items()}
        if key == "properties"
        else value
        if key in ("example", "examples", "default", "enum")
        else _convert(value)
        for key, value in node.items()
    }
    _null(found)
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if isinstance(found.get("examples"), list):
        found["example"] = found.pop("examples")[0]
    for bound, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(bound), int | float) and not isinstance(found[bound], bool):
            found[inclusive], found[bound] = found[bound], True
    return found


def _null(schema: dict[str, Any]) -> None:
    """``null`` as one of several types is ``nullable`` there."""
    for several in ("anyOf", "oneOf"):
        options = schema.get(several)
        if not isinstance(options, list) or not any(_is_null(option) for option in options):
            continue
        left = [option for option in options if not _is_null(option)]
        schema["nullable"] = True
        if len(left) != 1:
            schema[several] = left
            continue
        del schema[several]
        # Beside a reference 3.0 ignores everything.
        schema.update({"allOf": left} if "$ref" in left[0] else left[0])
    if isinstance(schema.get("type"), list):
        types = [kind for kind in schema["type"] if kind != "null"]
        schema["nullable"] = len(types) < len(schema["type"])
        schema["type"] = types[0] if types else "object"


def _is_null(option: Any) -> bool:
    # Options are converted before the schema that holds them.
    return isinstance(option, Mapping) and option.get("type") == "null"
