"""What an agency words itself in a letter: subject, opening and closing. Everything else stays ours.

The texts are templates of a small kind: words, placeholders, a few filters and conditions. They are taken apart before
anything is rendered, so there is nothing to call, to repeat or to include; they never see a secret or an address that
carries one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared.errors import FieldError

PLACEHOLDERS: Final = ("agency_name", "username", "portal_url")
_NAMELESS: Final = frozenset({"new_email"})
_FILTERS: Final = ("upper", "lower", "title")
LONGEST_TEXT: Final = 600
LONGEST_SUBJECT: Final = 100
_DEEPEST: Final = 3
# A placeholder stands for 254 characters at most, so this bounds what any text can become.
_MOST_PARTS: Final = 40
# Control characters, lone surrogates, and marks that turn or hide text; a line break ends a line and is no part of it.
_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff]"
)
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")

_ENVIRONMENT: Final = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, cache_size=0, trim_blocks=True, lstrip_blocks=True
)


class WrongWording(ValueError):
    """A text cannot stand in a letter; the message is a sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Wording:
    """An agency's own words for one letter in one language; an empty text leaves ours."""

    subject: str = ""
    opening: str = ""
    closing: str = ""

    def rendered(self, mail: str, values: Mapping[str, Any]) -> Wording:
        """The same, filled in for a letter; looked at again, since it comes from a store. Raises WrongWording."""
        check_subject(self.subject, "")
        return Wording(self.subject, _rendered(self.opening, mail, values), _rendered(self.closing, mail, values))


NO_WORDING: Final = Wording()


def placeholders_of(mail: str) -> tuple[str, ...]:
    """What own words in a letter can name. One that may reach a stranger, at a mistyped address, names no username."""
    return tuple(name for name in PLACEHOLDERS if name != "username" or mail not in _NAMELESS)


def paragraphs(text: str) -> tuple[str, ...]:
    """What blank lines stand between."""
    return tuple(part for part in _BLANK_LINES.split(text.strip()) if part)


def checked(wording: Wording, mail: str, agency_name: str) -> tuple[Wording, tuple[FieldError, ...]]:
    """A letter's wording as it is kept (trimmed, lines ended by ``\\n``), and what is wrong with it, field by field."""
    kept = Wording(wording.subject.strip(), _lines(wording.opening), _lines(wording.closing))
    errors = []
    for name, text in (("subject", kept.subject), ("opening", kept.opening), ("closing", kept.closing)):
        try:
            if name == "subject":
                check_subject(text, agency_name)
            else:
                check_text(text, mail)
        except WrongWording as error:
            errors.append(FieldError(name, str(error)))
    return kept, tuple(errors)


def check_subject(text: str, agency_name: str) -> None:
    """Subjects show on locked screens and become a header: one plain line that names nobody. Raises WrongWording."""
    if len(text) > LONGEST_SUBJECT:
        raise WrongWording(f"Use at most {LONGEST_SUBJECT} characters.")
    if "\t" in text or _UNSEEN.search(text):
        raise WrongWording("Remove line breaks and the characters that cannot be seen.")
    if "=?" in text:
        raise WrongWording("Do not use =? here.")
    if "{{" in text or "{%" in text:
        raise WrongWording("Placeholders are not for the subject: it shows on locked screens.")
    if agency_name and agency_name.casefold() in text.casefold():
        raise WrongWording("Leave the name of your agency out of the subject: it shows on locked screens.")


def check_text(text: str, mail: str) -> None:
    """Raises WrongWording with the line and what is wrong there."""
    _parsed(text, placeholders_of(mail))


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n"))


def _rendered(text: str, mail: str, values: Mapping[str, Any]) -> str:
    if not text:
        return ""
    names = placeholders_of(mail)
    tree = _parsed(text, names)
    try:
        template = _ENVIRONMENT.from_string(tree)
        # Nothing but these: neither the secret nor a link that carries it can be named.
        return template.render({name: values[name] for name in names if name in values})
    except TemplateError as error:
        raise WrongWording("This cannot be filled in.") from error


def _parsed(text: str, names: tuple[str, ...]) -> nodes.Template:
    if len(text) > LONGEST_TEXT:
        raise WrongWording(f"Use at most {LONGEST_TEXT} characters.")
    for number, line in enumerate(text.split("\n"), 1):
        if _UNSEEN.search(line):
            raise WrongWording(f"Line {number}: remove the characters that cannot be seen.")
    try:
        tree = _ENVIRONMENT.parse(text)
        if sum(1 for _ in tree.find_all((nodes.Name, nodes.If))) > _MOST_PARTS:
            raise WrongWording(f"Use at most {_MOST_PARTS} placeholders and conditions.")
        for node in tree.body:
            _check(node, names, depth=0)
    except TemplateSyntaxError as error:
        raise WrongWording(f"Line {error.lineno}: {_explained(error)}") from None
    except RecursionError:
        raise WrongWording("There are too many braces or brackets in each other.") from None
    return tree


def _check(node: nodes.Node, names: tuple[str, ...], *, depth: int) -> None:
    """Whether a part is one of the few that are allowed."""
    if isinstance(node, nodes.Name):
        if node.name not in names or node.ctx != "load":
            raise WrongWording(f"Line {node.lineno}: “{node.name}” is no placeholder. Use {_choices(names)}.")
    elif isinstance(node, nodes.Filter):
        if node.name not in _FILTERS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise WrongWording(f"Line {node.lineno}: “{node.name}” is no filter. Use {_choices(_FILTERS)}.")
    elif isinstance(node, nodes.If):
        depth += 1
        if depth > _DEEPEST:
            raise WrongWording(f"Line {node.lineno}: put at most {_DEEPEST} conditions into each other.")
    elif not _is_plain(node):
        raise WrongWording(
            f"Line {node.lineno}: this is not allowed here. Use text, placeholders such as "
            "{{ agency_name }}, and {% if username %} ... {% endif %}."
        )
    for child in node.iter_child_nodes():
        _check(child, names, depth=depth)


def _is_plain(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Const):
        return isinstance(node.value, str | bool)
    if isinstance(node, nodes.Operand):
        return node.op in ("eq", "ne")
    return isinstance(node, nodes.Output | nodes.TemplateData | nodes.Not | nodes.And | nodes.Or | nodes.Compare)


def _explained(error: TemplateSyntaxError) -> str:
    message = (error.message or "").lower()
    if "following tags" in message:
        return "a condition is not closed. Write {% endif %} at its end."
    if "unknown tag" in message:
        return "this is not allowed here. Use text and placeholders such as {{ agency_name }}."
    return "the braces do not fit together. A placeholder looks like {{ agency_name }}."


def _choices(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
