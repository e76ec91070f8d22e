"""Forms of pages: what was typed stays at hand, so that a page can show it again beside what is wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from shared.errors import FieldError, Unparsable
from shared.http.fields import has_control_characters
from shared.http.messages import field_errors
from shared.http.problems import TooSlow, UnsupportedMediaType

M = TypeVar("M", bound=BaseModel)

READ_SECONDS: Final = 30.0
"""How long a body may take to arrive, as at the gateway: whoever drips it must not hold a connection for ever."""


@dataclass(frozen=True, slots=True)
class Form(Generic[M]):
    """What came with the form, and the model that it makes, if it makes one.

    ``values`` holds each field as typed (the last one of several, never a password), ``errors`` the sentence to show
    beside a field. A field of a nested model goes by its dotted name: ``dynamic_fields.current_residence.Email``.
    """

    values: Mapping[str, str]
    errors: Mapping[str, str]
    model: M | None
    many: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    csrf_token: str = ""

    def value(self, name: str, default: str = "") -> str:
        """What was typed into the field."""
        return self.values.get(name, default)

    def checked(self, name: str) -> bool:
        """Whether the box was ticked."""
        return name in self.values and self.values[name].lower() in _TICKED

    def refused(self, errors: Iterable[FieldError]) -> Form[M]:
        """The same form with the errors of a use case besides its own: for showing the page again."""
        return replace(self, errors={**{e.field: e.message for e in errors}, **self.errors}, model=None)


_TICKED = frozenset({"on", "true", "yes", "1"})
_CLEARED = frozenset({"off", "false", "no", "0", ""})
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_CONTROLS = "Remove the characters that cannot be seen."

_Kind: TypeAlias = Literal["text", "secret", "box", "list", "nested"]
_KINDS: tuple[tuple[type | tuple[type, ...], _Kind], ...] = (
    (bool, "box"),
    (SecretStr, "secret"),
    ((list, tuple, set, frozenset), "list"),
    ((BaseModel, Mapping), "nested"),
)


async def read_form(request: web.Request, model: type[M]) -> Form[M]:
    """The page form in the request's body (urlencoded or multipart) as ``model``.

    What is wrong with fields is in ``errors`` and raises nothing. An empty field counts as not given, an absent one of
    type bool as False; ``csrf_token`` is kept apart and names that start with ``_`` are ignored. Raises
    `UnsupportedMediaType`, `TooSlow`, `Unparsable` and aiohttp's 413.
    """
    if request.content_type not in _FORM_TYPES:
        raise UnsupportedMediaType("Send the form as a browser does.")
    form = _Reading(_kinds(model))
    for name, items in _grouped(await _posted(request)).items():
        form.take(name, items)
    form.untick_absent_boxes(model)
    made: M | None = None
    try:
        made = model.model_validate(form.raw, strict=False)
    except ValidationError as error:
        for found in field_errors(error):
            form.errors.setdefault(form.shown_name(found.field), found.message)
    return Form(
        values=form.values,
        errors=form.errors,
        model=None if form.errors else made,
        many=form.many,
        csrf_token=form.csrf_token,
    )


async def _posted(request: web.Request) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await request.post()
    except TimeoutError:
        raise TooSlow from None
    except (ValueError, LookupError, AssertionError, RuntimeError, HttpProcessingError, web.RequestPayloadError):
        # All of these come from aiohttp's reading of multipart bodies and of the charset that they claim.
        raise Unparsable("The form could not be read.") from None
    except ConnectionError:
        raise Unparsable("The request ended before it was complete.") from None


def _grouped(posted: Mapping[str, Any]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for name, item in posted.items():
        grouped.setdefault(name, []).append(item)
    return grouped


class _Reading:
    """The form while it is taken apart field by field."""

    def __init__(self, kinds: Mapping[str, _Kind]) -> None:
        self.kinds = kinds
        self.values: dict[str, str] = {}
        self.many: dict[str, tuple[str, ...]] = {}
        self.errors: dict[str, str] = {}
        self.raw: dict[str, Any] = {}
        self.csrf_token = ""

    def take(self, name: str, items: list[Any]) -> None:
        """Note everything that came under ``name``."""
        if has_control_characters(name):
            raise Unparsable("The form has a field whose name cannot be read.")
        if name.startswith("_"):
            return
        if not all(isinstance(item, str) for item in items):
            self.errors[name] = "Files cannot be sent here."
            return
        texts: list[str] = [item.replace("\r\n", "\n") for item in items]
        if name == "csrf_token":
            self.csrf_token = texts[-1]
            return
        head, dot, _ = name.partition(".")
        kind = self.kinds.get(name) or ("nested" if dot and self.kinds.get(head) == "nested" else "text")
        if kind != "secret":
            self.values[name] = _without_controls(texts[-1])
            self.many[name] = tuple(_without_controls(text) for text in texts)
        if any(has_control_characters(text, allowed="\t\n") for text in texts):
            self.errors[name] = _CONTROLS
        else:
            self._put(name, kind, texts)

    def _put(self, name: str, kind: _Kind, texts: list[str]) -> None:
        last = texts[-1]
        if kind == "list":
            self.raw[name] = [text for text in texts if text.strip()]
        elif kind == "box":
            answer = last.strip().lower()
            self.raw[name] = True if answer in _TICKED else False if answer in _CLEARED else last
        elif kind == "nested":
            self._place(name.split("."), last)
        elif last if kind == "secret" else last.strip():
            self.raw[name] = last

    def _place(self, path: list[str], text: str) -> None:
        inner = self.raw
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise Unparsable("The form names a field both as a value and as a group.")
        if isinstance(inner.get(path[-1]), dict):
            raise Unparsable("The form names a field both as a value and as a group.")
        inner[path[-1]] = text

    def untick_absent_boxes(self, model: type[BaseModel]) -> None:
        """Browsers leave out boxes that are not ticked."""
        for name, info in _fields(model).items():
            if info.annotation is bool and name not in self.errors:
                self.raw.setdefault(name, False)

    def shown_name(self, field: str) -> str:
        """Errors of one item belong to the list: a page has one place for both."""
        head = field.partition(".")[0]
        return head if self.kinds.get(head) == "list" else field


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields by the name that the form uses."""
    return {
        info.validation_alias if isinstance(info.validation_alias, str) else name: info
        for name, info in model.model_fields.items()
    }


@lru_cache(maxsize=256)
def _kinds(model: type[BaseModel]) -> Mapping[str, _Kind]:
    return {name: _kind(info.annotation) for name, info in _fields(model).items()}


def _kind(annotation: Any) -> _Kind:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, UnionType):
        kinds = [_kind(argument) for argument in get_args(annotation) if argument is not type(None)]
        return kinds[0] if len(set(kinds)) == 1 else "text"
    held = origin or annotation
    if not isinstance(held, type):
        return "text"
    return next((kind for types, kind in _KINDS if issubclass(held, types)), "text")


def _without_controls(text: str) -> str:
    """``text`` as a page can show it again."""
    if not has_control_characters(text, allowed="\t\n"):
        return text
    return "".join("\ufffd" if has_control_characters(character, allowed="\t\n") else character for character in text)
