"""What a process does about itself."""

from __future__ import annotations

import gc
from typing import Final

# Python's own 700 was chosen when memory was dear: a batch of events alone is more than ten thousand objects, which all
# live until it is stored and are all gone then.
_NEW_OBJECTS: Final = 50_000


def settle() -> None:
    """Call it once a process has started: garbage is looked for seldom, and not among what the process holds by then.

    Modules, classes and routes are some hundred thousand objects that stay. Whoever makes many objects at once, as a
    consumer does of a batch, would have all of them walked through again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
