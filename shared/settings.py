"""Settings from the environment: one frozen declaration per service, everything wrong with them reported at once.

This is the only module that reads ``os.environ``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

_SETTING_ERROR = "setting"

_MESSAGES: Mapping[str, str] = {
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "uuid_parsing": "must be a UUID",
    "url_parsing": "must be a URL",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} characters",
}


def wrong(message: str) -> PydanticCustomError:
    """What a setting's validator raises: ``message`` goes on after the setting's name and never holds the value."""
    return PydanticCustomError(_SETTING_ERROR, "{message}", {"message": message})


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(item.strip(), strict=False) for item in value.split(",") if item.strip())
    except ValueError:
        raise wrong("must be addresses or networks (CIDR), separated by commas") from None


def _base_url(value: str) -> str:
    try:
        url = urlsplit(value.strip())
        if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
            raise ValueError
    except ValueError:
        raise wrong("must be a URL such as https://portal.example.org") from None
    if url.username is not None or url.query or url.fragment:
        raise wrong("must be a URL without a user, a query and a fragment")
    return f"{url.scheme}://{url.netloc.lower()}{url.path.rstrip('/')}"


def _postgres_url(value: str) -> str:
    if not value.startswith(("postgresql://", "postgres://")):
        raise wrong("must be a URL such as postgresql://user:password@host:5432/database")
    return value


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise wrong("must be a URL such as redis://:password@host:6379/0")
    return value


PostgresUrl: TypeAlias = Annotated[str, AfterValidator(_postgres_url)]
"""A URL of a database, with user and password: give the field ``repr=False``."""
RedisUrl: TypeAlias = Annotated[str, AfterValidator(_redis_url)]
"""A URL of a Redis or Valkey server: give the field ``repr=False``."""
Networks: TypeAlias = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
"""Addresses and networks, separated by commas; a single address is a network of one."""
BaseUrl: TypeAlias = Annotated[str, AfterValidator(_base_url)]
"""An http(s) URL that paths are appended to; comes out without a slash at its end."""
Port: TypeAlias = Annotated[int, Field(ge=0, le=65535)]
"""0 lets the system choose one, for trials."""


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands in for a value that could not be had, so that validation reports it with everything else."""

    reason: str


class _Environment(PydanticBaseSettingsSource):
    """``NAME``, or the content of the file that ``NAME_FILE`` points to. An empty variable counts as not set."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environ = environ

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The raw value of one field, ``None`` when it is not set."""
        name = field_name.upper()
        value, path = self._environ.get(name), self._environ.get(f"{name}_FILE")
        if value and path:
            return _Unreadable(f"is set twice, by itself and by {name}_FILE"), field_name, False
        if not path:
            return value or None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None, field_name, False
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            return _Unreadable(f"cannot be read from the file that {name}_FILE names: {reason}"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every field that is set."""
        found = ((name, self.get_field_value(field, name)[0]) for name, field in self.settings_cls.model_fields.items())
        return {name: value for name, value in found if value is not None}


class ProcessSettings(BaseSettings):
    """What every process needs, also one that takes no traffic."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    probe_host: str = "127.0.0.1"
    probe_port: Port

    @field_validator("log_level", "log_format", mode="before", check_fields=False)
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _readable(cls, value: object) -> object:
        if isinstance(value, _Unreadable):
            raise wrong(value.reason)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first (tests), then the environment with its ``_FILE`` variables; no other source."""
        return init_settings, _Environment(settings_cls, os.environ)

    @classmethod
    def load(cls) -> Self:
        """The settings of this process. On any problem: one report on stderr that names them all, then exit 2."""
        try:
            return cls()
        except ValidationError as error:
            _refuse(cls, error)


class ServiceSettings(ProcessSettings):
    """What every service with a traffic port needs."""

    host: str = "127.0.0.1"
    port: Port
    trusted_proxies: Networks = ()


def _refuse(settings: type[ProcessSettings], error: ValidationError) -> NoReturn:
    problems = [_problem(details) for details in error.errors(include_url=False, include_input=False)]
    count = "1 setting needs" if len(problems) == 1 else f"{len(problems)} settings need"
    service = settings.__module__.split(".")[1] if settings.__module__.startswith("services.") else "This process"
    sys.stderr.write("\n  ".join([f"{service} cannot start: {count} attention.", *problems]) + "\n")
    sys.exit(2)


def _problem(details: ErrorDetails) -> str:
    name = str(details["loc"][0]).upper() if details["loc"] else ""
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        message = f"is not set (nor is {name}_FILE)"
    elif kind == _SETTING_ERROR:
        message = str(context["message"])
    elif kind == "value_error":
        # Written by our own validators, which keep values out of their sentences.
        message = str(context["error"])
    else:
        message = _MESSAGES.get(kind, "is not valid").format_map(context)
    return f"{name} {message}".strip()
