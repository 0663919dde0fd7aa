"""What an exported family and its sizes are called, and which names are taken."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from scalegrid.family.sizes import Size
from scalegrid.util.errors import UserError

DIGITS = 3
"""Of φ after the point in a size's name; more where two sizes would have the same name."""


_NAME = re.compile("[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?")
"""What Python imports and pip installs under one name; Python folds some other letters."""


def check_name(folder: Path) -> None:
    """Raise UserError unless the package in ``folder`` may have its name, and its models.

    They are called ``<name>_p0`` and so on.
    """
    name = folder.name
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UserError(
            f"--export writes a Python package called as its folder, and {name!r} is no name of "
            "one; use letters a to z, digits and _, a letter first and no _ last, such as mynet."
        )
    if there := _module(name, folder.parent):
        raise UserError(
            f"there is a Python module {name} already ({there}), and a package of that name would "
            "hide it; choose another name for the folder of --export."
        )
    import timm

    taken = [m for m in timm.list_models() if m == name or m.startswith(f"{name}_")]
    if taken or name in timm.list_modules():
        raise UserError(
            f"timm has models of its own called {name}{f' ({taken[0]})' if taken else ''}; choose "
            "another name for the folder of --export."
        )


def _module(name: str, beside: Path) -> str | None:
    """Where a module of a name is: loaded, in a folder, or on the import path."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None) or "loaded"
    near = PathFinder.find_spec(name, [str(beside)])
    found = importlib.util.find_spec(name) if near is None or near.origin is None else near
    return None if found is None else found.origin  # a folder without modules has none


def named(name: str, sizes: Sequence[Size]) -> dict[str, Size]:
    """Sizes by the names of their models; equal ones once.

    The name ends with φ: ``_p3``, ``_p0_5`` and ``_m1`` are φ = 3, 0.5 and -1.

    Raises:
        UserError: two different networks have the same φ.
    """
    for digits in range(DIGITS, 13):
        found: dict[str, Size] = {}
        for size in sizes:
            model = f"{name}_{suffix(size.phi, digits)}"
            if found.setdefault(model, size).variant != size.variant:
                break
        else:
            return found
    raise UserError(
        f"two of the sizes have φ = {sizes[0].phi:g} and are different networks, so that they "
        "cannot be named by it; export them one by one."
    )


def suffix(phi: float, digits: int = DIGITS) -> str:
    """φ as it is in a name: ``p3``, ``p0_5``, ``m1``."""
    rounded = f"{abs(phi):.{digits}f}".rstrip("0").rstrip(".")
    sign = "m" if phi < 0 and rounded != "0" else "p"
    return sign + rounded.replace(".", "_")
