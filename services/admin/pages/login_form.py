"""The window Portal Login: its fields, what they hold, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.admin.letter_fields import Language
from services.admin.pages.snapshots import TICKED, Difference, Field, Snapshot
from services.admin.use_cases.portal_logins import NewPortalLogin, PortalLoginChange
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.errors import FieldError, InvalidFields
from shared.events.catalogue import LANGUAGE_LABEL
from shared.http.bodies import validate
from shared.http.fields import Body, Email, Username
from shared.http.forms import Form
from shared.letters.languages import LANGUAGES, language_of

USERNAME, EMAIL, LANGUAGE = "username", "email", "language"
REPRESENTATIVE, ACTIVE, RESET_PASSWORD, CONFIRM = "representative", "active", "reset_password", "confirm_refused"
_BOXES = (REPRESENTATIVE, ACTIVE, RESET_PASSWORD, CONFIRM)

ADDING = "new"
"""What the hidden field of the window holds while a login is being added."""

LABELS: Mapping[str, str] = {
    USERNAME: "Portal Username",
    EMAIL: "Portal User Email",
    LANGUAGE: LANGUAGE_LABEL,
    CONFIRM: "Add a portal login although the client refused",
}
FIELDS: Sequence[Field] = (
    Field(EMAIL, "Portal User Email"),
    Field(REPRESENTATIVE, "Representative", box=True),
    Field(ACTIVE, "Active", box=True),
    Field(LANGUAGE, LANGUAGE_LABEL, names=LANGUAGES),
)


class _NewLogin(Body):
    username: Username
    email: Email
    language: Language | None = None


class _ChangedLogin(Body):
    email: Email


class _ChosenLanguage(Body):
    language: Language | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The open window. ``login`` is the one that is edited, None while one is being added."""

    login: PortalLogin | None
    base: Snapshot | None
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    differences: Sequence[Difference] = ()
    changed_meanwhile: bool = False

    @property
    def form(self) -> Form[Body]:
        """As the macros for fields take it."""
        return Form(self.values, self.errors, None)

    @property
    def state(self) -> str:
        """What the hidden field carries."""
        return self.base.model_dump_json() if self.base else ADDING


def new_window() -> Window:
    """For a login to add: it gets a password, and is active."""
    return Window(None, None, {RESET_PASSWORD: TICKED, ACTIVE: TICKED})


def window_for(login: PortalLogin) -> Window:
    """For a login to change."""
    base = snapshot_of(login)
    return Window(login, base, base.values)


def snapshot_of(login: PortalLogin) -> Snapshot:
    """What the fields hold when nothing was typed yet."""
    values = {
        EMAIL: login.email,
        REPRESENTATIVE: TICKED if login.representative else "",
        ACTIVE: TICKED if login.active else "",
        LANGUAGE: login.language or "",
    }
    return Snapshot(id=login.id, version=login.version, values=values)


def typed_into(form: Form[Any]) -> dict[str, str]:
    """What the window's fields hold as they were sent."""
    typed = {name: form.value(name) for name in (USERNAME, EMAIL, LANGUAGE)}
    return typed | {name: TICKED if form.checked(name) else "" for name in _BOXES}


def new_login(window: Window) -> NewPortalLogin:
    """What is asked for. Raises InvalidFields."""
    given = validate(_NewLogin, _filled(window, USERNAME, EMAIL, LANGUAGE))
    return NewPortalLogin(
        username=given.username,
        email=given.email,
        representative=bool(window.values[REPRESENTATIVE]),
        active=bool(window.values[ACTIVE]),
        reset_password=bool(window.values[RESET_PASSWORD]),
        confirm_refused=bool(window.values[CONFIRM]),
        language=given.language,
    )


def login_change(window: Window, base: Snapshot) -> PortalLoginChange:
    """What is to be changed: what was touched. Raises InvalidFields."""
    touched = base.touched(window.values)
    email = validate(_ChangedLogin, _filled(window, EMAIL)).email if EMAIL in touched else None
    language = None
    if LANGUAGE in touched:
        language = validate(_ChosenLanguage, _filled(window, LANGUAGE)).language or ""
    return PortalLoginChange(
        email=email,
        language=language,
        representative=bool(window.values[REPRESENTATIVE]) if REPRESENTATIVE in touched else None,
        active=bool(window.values[ACTIVE]) if ACTIVE in touched else None,
        reset_password=bool(window.values[RESET_PASSWORD]),
    )


def _filled(window: Window, *names: str) -> dict[str, str]:
    """The fields that hold something: one that was emptied is told as missing. Raises InvalidFields."""
    unreadable = [FieldError(name, message) for name, message in window.errors.items() if name in names]
    if unreadable:
        raise InvalidFields(*unreadable)
    return {name: text for name in names if (text := window.values[name]).strip()}


def language_choices(agency: Agency) -> list[tuple[str, str]]:
    """What the list of languages offers; the first is what the agency uses by itself."""
    own = LANGUAGES[language_of(agency.locale)]
    return [("", f"As the agency ({own})"), *LANGUAGES.items()]
