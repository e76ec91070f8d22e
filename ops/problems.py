"""What stops an operator's command, said in one sentence."""

from __future__ import annotations


class Problem(Exception):
    """Something the person at the command line can put right.

    The message is a sentence that names what is wrong and, where it is not plain, what to do. The command line prints
    it without a traceback and ends with status 2.
    """


class EndedEarly(Problem):
    """A process ended before it was ready, perhaps only because somebody else took the port that it was to have."""
