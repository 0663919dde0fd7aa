"""What is found out about a network by building it is kept, and recalled without importing it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from scalegrid import baselines
from scalegrid.baselines import Baseline, user_code
from scalegrid.util.files import recalled

_TIMM = "timm/"


def kept(
    kind: str, name: str, content: Any, compute: Callable[[], Any], *, by_files: bool = False
) -> Any:
    """What ``compute`` returns, a JSON value; of a model of timm or a user's own code it is kept.

    Args:
        kind: the folder in the cache.
        name: of a baseline. A model of timm is decided by its name, and by the version of timm.
        content: all else that the value depends on, a JSON value.
        compute: may import the baseline.
        by_files: trust that a user's own code is the same while its files are: see `user_code`.
            What it reads, such as data and environment variables, is not seen.
    """
    if name.startswith(_TIMM):
        return recalled(kind, [name, content], compute)
    if not by_files or not baselines.is_factory(name):
        return compute()
    user_code.start()
    where = str(user_code.search_folder(name))
    value, _ = recalled(
        kind,
        [name, where, content],
        lambda: (compute(), user_code.loaded()),
        valid=lambda both: user_code.unchanged(name, both[1]),
    )
    return value


class _Named:
    """A baseline that is not found, and imported, before more than its name is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._find = cache(lambda: baselines.get(name))

    def __getattr__(self, member: str) -> Any:
        return getattr(self._find(), member)


def named(name: str) -> Baseline:
    """The baseline called ``name``; what `baselines.get` raises is raised when it is used."""
    return cast(Baseline, _Named(name))
