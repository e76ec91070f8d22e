"""What is written to owners of portal logins and to staff: templates, languages, and what agencies word themselves."""

from shared.letters.languages import LANGUAGES, language_of
from shared.letters.rendering import COLUMNS, Letter, Letters, UnknownMail, Words, moment
from shared.letters.wording import NO_WORDING, Wording

__all__ = [
    "COLUMNS",
    "LANGUAGES",
    "NO_WORDING",
    "Letter",
    "Letters",
    "UnknownMail",
    "Wording",
    "Words",
    "language_of",
    "moment",
]
