"""Writes the documents that are made from the code: ``python -m ops.documents`` (``--check`` only compares)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo

from shared.events import Payload, known_events
from shared.rights import RIGHTS, Holder, Right

_DOCS = Path(__file__).parents[1] / "docs"

_INTRODUCTION = """# Events

Every event of Portico, made from its declaration in `shared/events/*catalogue.py` by `make docs`.

An event travels as JSON in an envelope: `id` (UUIDv7 of `occurred_at`), `type`, `version`, `agency_id`,
`occurred_at` (UTC), `actor` (`kind`: staff, portal_login, system or operator; `id`, `username`, `name`, `session_id`,
`address`), `subject` (`client_id`, `case_id`, `portal_login_id`, `staff_user_id`), `request_id`, and the `payload`
described here. Consumers ignore fields that they do not know. A published payload never changes its meaning; what must
change becomes a new version. No payload holds a secret.

*Activity* is the row in the Client Action Log (action, then description), *change* the entry in the Face Sheet Change
Log (change type, then its first sentence), *security* the entry in the Security Log of the agency's admins (its kind,
then the sentence). A dash means that the log does not show the event.

| event | activity | change | security |
|---|---|---|---|
"""


_RIGHTS_INTRODUCTION = """# Rights

Who may do what, made from the table in `shared/rights.py` by `make docs`. Everybody acts within one agency: what
belongs to another one is not there for them (404), whatever their rights; row-level security in PostgreSQL holds that
up under every query. A use case is opened by one right, and refuses all others (403) before it reads anything.

"""


def events_document() -> str:
    """The text of docs/EVENTS.md."""
    events = sorted(known_events().items())
    table = "".join(
        f"| [`{t}`](#{_anchor(t, v)}) | {_activity(cls)} | {_change(cls)} | {_security(cls)} |\n"
        for (t, v), cls in events
    )
    return _INTRODUCTION + table + "".join(_section(t, v, cls) for (t, v), cls in events)


def _anchor(type_: str, version: int) -> str:
    return f"{type_.replace('.', '')}-version-{version}"


def _activity(cls: type[Payload]) -> str:
    return f"{cls.activity.action} / `{cls.activity.description}`" if cls.activity else "-"


def _change(cls: type[Payload]) -> str:
    return f"{cls.change.change_type} / `{cls.change.description}`" if cls.change else "-"


def _security(cls: type[Payload]) -> str:
    return f"{cls.security.label} / `{cls.security.description}`" if cls.security else "-"


def _section(type_: str, version: int, cls: type[Payload]) -> str:
    lines = [f"\n## `{type_}` version {version}\n", f"{' '.join((cls.__doc__ or '').split())}\n"]
    fields = [f"- `{name}`: {_kind(info)}" for name, info in cls.model_fields.items()]
    lines.append("\n".join(fields) if fields else "No payload.")
    return "\n".join(lines) + "\n"


def _kind(info: FieldInfo) -> str:
    kind = info.annotation
    text = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    for prefix in ("typing.", "shared.events.registry.", "shared.events.catalogue.", "datetime.", "uuid."):
        text = text.replace(prefix, "")
    return f"`{text}`{'' if info.is_required() else ', optional'}"


_HOLDERS: Mapping[Holder, str] = {
    "staff": "staff",
    "supervisor": "supervisor",
    "agency_admin": "agency admin",
    "portal_login": "client or representative",
    "operator": "operator",
    "system": "system",
}


def rights_document() -> str:
    """The text of docs/security/RIGHTS.md."""
    head = f"| right | {' | '.join(_HOLDERS.values())} |\n|---|{':-:|' * len(_HOLDERS)}\n"
    rows = (f"| {right.value} | {' | '.join(_mark(holder, right) for holder in _HOLDERS)} |\n" for right in Right)
    return _RIGHTS_INTRODUCTION + head + "".join(rows)


def _mark(holder: Holder, right: Right) -> str:
    return "yes" if right in RIGHTS[holder] else "-"


_DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "EVENTS.md": events_document,
    "security/RIGHTS.md": rights_document,
}


def main() -> int:
    """Write, or with ``--check`` compare; 1 when a document is not current."""
    stale = 0
    for name, made in _DOCUMENTS.items():
        path, text = _DOCS / name, made()
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"docs/{name} is not current: run `make docs`.", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
