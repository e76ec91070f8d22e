"""What pydantic found, in sentences for the person who typed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.errors import FieldError
from shared.http.fields import CUSTOM_ERROR

_WRONG = "This value is not valid."
_DATE = "Enter a date as YYYY-MM-DD."
_TIME = "Enter a date and time such as 2022-06-16T09:47:16Z."

_SENTENCES: Mapping[str, str] = {
    "missing": "Enter a value.",
    "extra_forbidden": "Unknown field.",
    "string_type": "Enter text.",
    "bool_type": "Choose Yes or No.",
    "bool_parsing": "Choose Yes or No.",
    "int_type": "Enter a whole number.",
    "int_parsing": "Enter a whole number.",
    "int_parsing_size": "Enter a smaller number.",
    "int_from_float": "Enter a whole number.",
    "float_type": "Enter a number.",
    "float_parsing": "Enter a number.",
    "finite_number": "Enter a number.",
    "decimal_type": "Enter a number.",
    "decimal_parsing": "Enter a number.",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": "Name the time zone, for instance with a Z at the end.",
    "uuid_type": "Enter an id.",
    "uuid_parsing": "Enter an id.",
    "list_type": "Give a list.",
    "tuple_type": "Give a list.",
    "set_type": "Give a list.",
    "dict_type": "Give an object.",
    "model_type": "Give an object.",
    "model_attributes_type": "Give an object.",
    "none_required": "Leave this empty.",
    "url_parsing": "Enter a web address such as https://example.org/.",
    "url_type": "Enter a web address such as https://example.org/.",
    "url_scheme": "Enter a web address such as https://example.org/.",
}


def _least(context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    if _is_collection(context):
        return f"Give at least {least}."
    return "Enter a value." if least == 1 else f"Use at least {least} characters."


def _most(context: Mapping[str, Any]) -> str:
    most = context["max_length"]
    return f"Give at most {most}." if _is_collection(context) else f"Use at most {most} characters."


def _is_collection(context: Mapping[str, Any]) -> bool:
    # Secrets report their length as collections do, under the name Value; texts name no type.
    return str(context.get("field_type", "Value")) != "Value"


_WITH_NUMBERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_too_short": _least,
    "string_too_long": _most,
    "too_short": _least,
    "too_long": _most,
    "greater_than": lambda c: f"Enter more than {c['gt']}.",
    "greater_than_equal": lambda c: f"Enter {c['ge']} or more.",
    "less_than": lambda c: f"Enter less than {c['lt']}.",
    "less_than_equal": lambda c: f"Enter {c['le']} or less.",
    "literal_error": lambda c: f"Choose one of these: {c['expected']}.",
    "enum": lambda c: f"Choose one of these: {c['expected']}.",
}


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """One error per field, in the order in which pydantic found them; never with the value itself."""
    found: dict[str, FieldError] = {}
    for details in error.errors(include_url=False, include_input=False):
        field = _field(details)
        found.setdefault(field, FieldError(field, _message(details)))
    return tuple(found.values())


def _field(details: ErrorDetails) -> str:
    named = details.get("ctx", {}).get("field") if details["type"] == CUSTOM_ERROR else None
    if named:
        return ".".join([*map(str, details["loc"]), named])
    return ".".join(map(str, details["loc"]))


def _message(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == CUSTOM_ERROR:
        return str(context["message"])
    if kind in _WITH_NUMBERS:
        return _WITH_NUMBERS[kind](context)
    if kind == "value_error":
        # A validator's own ValueError is written for people; str() of it is the sentence without pydantic's prefix.
        return str(context.get("error", _WRONG))
    return _SENTENCES.get(kind, _WRONG)
