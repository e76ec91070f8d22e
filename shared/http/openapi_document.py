"""The OpenAPI 3.1 document of an application, built from its router and its handlers' operations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from shared.errors import Busy, Changed, DomainError, InvalidFields, NotAllowed, NotFound, NotSignedIn, Unparsable
from shared.http.operations import Operation, Security, operation_of
from shared.http.problems import (
    PROBLEM_JSON,
    InternalError,
    TooLarge,
    TooSlow,
    Unavailable,
    UnsupportedMediaType,
    title_of,
)

_REFERENCE = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

_SECURITY: Mapping[Security, list[dict[str, list[str]]]] = {
    "staff": [{"staff": []}],
    "client": [{"client": []}],
    "both": [{"staff": []}, {"client": []}],
    "service": [{"service": []}],
}
_SCHEMES: Mapping[str, str] = {
    "staff": "The access token of a staff user, from the admin service.",
    "client": "The access token of a portal login, from the portal.",
    "service": "A token that one service makes for another; people have none.",
}

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "The address that explains this kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string", "description": "Names this request in our logs."},
        "errors": {
            "type": "array",
            "description": "What is wrong with which field.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def build(app: web.Application, *, title: str, version: str, description: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of everything in ``app``'s router that has an operation."""
    routed = list(_routed(app))
    schemas = _Schemas([documented for _, _, documented in routed])
    paths: dict[str, Any] = {}
    used: set[str] = set()
    for path, method, documented in routed:
        entry = _operation(path, method, documented, schemas)
        if entry["operationId"] in used:
            entry["operationId"] = f"{method}_{re.sub(r'[^A-Za-z0-9]+', '_', path).strip('_')}"
        used.add(entry["operationId"])
        paths.setdefault(path, {})[method] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "tags": [{"name": name} for name in dict.fromkeys(documented.tag for _, _, documented in routed)],
        "components": {
            "schemas": {**schemas.definitions, "Problem": _PROBLEM_SCHEMA},
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": text}
                for name, text in _SCHEMES.items()
            },
        },
    }


def _routed(app: web.Application) -> Iterator[tuple[str, str, Operation]]:
    for route in app.router.routes():
        documented = operation_of(route.handler)
        # aiohttp adds a HEAD route to each GET: documenting it would say everything twice.
        if documented is not None and route.resource is not None and route.method != "HEAD":
            yield route.resource.canonical, route.method.lower(), documented


class _Schemas:
    """The JSON schemas of every model that the operations name, with their shared definitions."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        wanted: dict[tuple[int, JsonSchemaMode], tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = {}
        for documented in operations:
            for model, mode in _models(documented):
                wanted.setdefault((id(model), mode), (id(model), mode, TypeAdapter(model)))
        self._schemas, shared = TypeAdapter.json_schemas(wanted.values(), ref_template=_REFERENCE)
        self.definitions: dict[str, Any] = shared.get("$defs", {})

    def of(self, model: Any, mode: JsonSchemaMode) -> dict[str, Any]:
        return self._schemas[(id(model), mode)]

    def properties(self, model: type[BaseModel]) -> tuple[Mapping[str, Any], set[str]]:
        """The fields of a query model, and which of them are required."""
        schema = self.of(model, "validation")
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        return schema.get("properties", {}), set(schema.get("required", ()))


def _models(documented: Operation) -> Iterator[tuple[Any, JsonSchemaMode]]:
    for given in (documented.body, documented.query):
        if given is not None:
            yield given, "validation"
    for model in documented.answers.values():
        if model is not None:
            yield model, "serialization"


def _operation(path: str, method: str, documented: Operation, schemas: _Schemas) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": documented.name,
        "summary": documented.summary,
        "tags": [documented.tag],
        "security": _SECURITY[documented.security] if documented.security else [],
        "responses": _responses(path, method, documented, schemas),
    }
    if documented.description:
        entry["description"] = documented.description
    parameters = [*_path_parameters(path), *_query_parameters(documented, schemas)]
    if _takes_if_match(method, documented):
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": "The ETag that you saw last; without it the update is taken whatever the state is.",
                "schema": {"type": "string"},
            }
        )
    if parameters:
        entry["parameters"] = parameters
    if documented.body is not None:
        schema = schemas.of(documented.body, "validation")
        # An object without fields may be left out.
        required = bool(getattr(documented.body, "model_fields", True))
        entry["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return entry


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(path):
        is_id = name == "id" or name.endswith("_id")
        schema = {"type": "string", "format": "uuid"} if is_id else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(documented: Operation, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    if documented.query is None:
        return
    properties, required = schemas.properties(documented.query)
    for name, schema in properties.items():
        parameter = {"name": name, "in": "query", "required": name in required, "schema": schema}
        if "description" in schema:
            parameter["description"] = schema["description"]
        yield parameter


def _responses(path: str, method: str, documented: Operation, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, model in documented.answers.items():
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if model is not None:
            response["content"] = {"application/json": {"schema": schemas.of(model, "serialization")}}
        if documented.etag and status < HTTPStatus.MULTIPLE_CHOICES:
            response["headers"] = {"ETag": {"description": "The version.", "schema": {"type": "string"}}}
        responses[str(status)] = response
    by_status: dict[int, list[type[DomainError]]] = {}
    for problem in dict.fromkeys([*documented.problems, *_implied_problems(path, method, documented)]):
        by_status.setdefault(problem.status, []).append(problem)
    for status, problems in sorted(by_status.items()):
        responses[str(status)] = _problem_response(status, problems)
    return responses


def _implied_problems(path: str, method: str, documented: Operation) -> Iterator[type[DomainError]]:
    if documented.body is not None:
        yield from (Unparsable, TooSlow, TooLarge, UnsupportedMediaType, InvalidFields)
    if documented.query is not None:
        yield InvalidFields
    if _PATH_PARAMETER.search(path):
        yield NotFound
    if documented.security is not None:
        yield NotSignedIn
    if documented.security in ("staff", "both"):
        # Each role has rights of its own.
        yield NotAllowed
    if _takes_if_match(method, documented):
        yield Changed
    yield from (InternalError, Busy, Unavailable)


def _takes_if_match(method: str, documented: Operation) -> bool:
    return documented.etag and method not in ("get", "head")


def _problem_response(status: int, problems: Sequence[type[DomainError]]) -> dict[str, Any]:
    lines = [f"`/problems/{problem.name}`: {title_of(problem)}" for problem in problems]
    response: dict[str, Any] = {
        "description": "\n\n".join(lines),
        "content": {PROBLEM_JSON: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    if status == HTTPStatus.UNAUTHORIZED:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return response
