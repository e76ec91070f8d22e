"""A service that kills itself at a point: ``python -m tests.faults.dying SERVICE TARGET before|after CALL``.

The product has no hooks for this: the function is wrapped before the service's main begins.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def _die(words: str) -> None:
    # Written at once and past all buffers: it tells a death at the point from any other.
    os.write(2, f"{words}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def _mortal(function: Callable[..., Any], *, words: str, before: bool, call: int) -> Callable[..., Any]:
    # next() on a counter is one step, also for several threads.
    numbers = itertools.count(1)

    def reached() -> bool:
        return next(numbers) == call

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def in_turn(*args: Any, **kwargs: Any) -> Any:
            mine = reached()
            if mine and before:
                _die(words)
            result = await function(*args, **kwargs)
            if mine:
                _die(words)
            return result

        return in_turn

    @functools.wraps(function)
    def at_once(*args: Any, **kwargs: Any) -> Any:
        mine = reached()
        if mine and before:
            _die(words)
        result = function(*args, **kwargs)
        if inspect.isawaitable(result):
            return _awaited(result, words) if mine else result
        if mine:
            _die(words)
        return result

    return at_once


async def _awaited(result: Any, words: str) -> Any:
    answer = await result
    _die(words)
    return answer


def arm(target: str, when: str, call: int) -> None:
    """Have this process die before or after the ``call``-th call of ``target``. Raises when there is no such thing."""
    module_name, _, path = target.partition(":")
    holder: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    words = f"dying {when} call {call} of {target}"
    setattr(holder, name, _mortal(getattr(holder, name), words=words, before=when == "before", call=call))


def main() -> int:
    """The service's exit code, should it live to have one."""
    service, target, when, call = sys.argv[1:]
    if when not in ("before", "after"):
        raise SystemExit(f"the point is before or after a call, not {when}")
    arm(target, when, int(call))
    code: int = importlib.import_module(f"{service}.__main__").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
