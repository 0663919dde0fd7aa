"""From a name to a baseline.

An installed package adds baselines as entry points of the group ``scalegrid.baselines``. Each names
an object with all members of `Baseline`, or a factory as a user's own code may be.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from os.path import isfile
from pathlib import Path
from typing import Any

from scalegrid.baselines.base import Baseline
from scalegrid.baselines.families import BUILT_IN, FAMILIES
from scalegrid.baselines.user_code import beside
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import did_you_mean

ENTRY_POINTS = "scalegrid.baselines"
"""The entry-point group in which an installed package offers baselines."""

INSTALLED = "installed"
"""The family of what installed packages offer."""

_DEFINITIONS = (".yaml", ".yml")


def families() -> dict[str, list[str]]:
    """The names of all baselines that need no prefix, by family; installed packages' come last."""
    grouped = {
        family: [member.baseline.name for member in members] for family, members in FAMILIES.items()
    }
    offered = sorted(_offered().keys() - BUILT_IN.keys())
    return grouped | ({INSTALLED: offered} if offered else {})


def names() -> list[str]:
    """The names of all baselines that need no prefix, family by family."""
    return [name for members in families().values() for name in members]


def get(name: str) -> Baseline:
    """The baseline called ``name``, by the name and the working directory alone.

    A built-in name; one that an installed package offers; ``timm/<model>``; the path of a YAML
    definition, or a definition itself as JSON; ``[folder/]package.module:factory``.

    Raises:
        UserError: there is none (the nearest names are given), or it cannot be read, imported or
            scaled; see `definition`, `factory` and `timm_models`.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name.startswith("timm/"):
        from scalegrid.baselines.timm_models import timm_baseline

        return timm_baseline(name)
    if name.startswith("{"):
        from scalegrid.baselines.definition import defined

        return defined(name)
    if is_definition(name):
        from scalegrid.baselines.definition import definition_baseline

        return definition_baseline(name)
    if is_factory(name):
        from scalegrid.baselines.factory import factory_baseline

        return factory_baseline(name)
    offered = _offered()
    if name in offered:
        return _from_package(offered[name])
    raise UserError(_unknown(name, [*BUILT_IN, *offered]))


def locate(name: str, folder: Path) -> str:
    """``name`` as `get` finds it from the working directory, where it may lie beside a spec.

    A YAML definition or a factory that is not found from the working directory is searched in
    ``folder``, that of the specification; other names are returned as they are.
    """
    if is_definition(name):
        near = folder / name
        return near.as_posix() if not Path(name).exists() and near.exists() else name
    return beside(name, folder) if is_factory(name) else name


def is_definition(name: str) -> bool:
    """Whether a name is the path of a YAML definition."""
    return name.endswith(_DEFINITIONS)


def is_factory(name: str) -> bool:
    """Whether a name is that of a user's own code, ``[folder/]package.module:factory``."""
    return ":" in name and not is_definition(name) and not name.startswith("{")


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _from_package(point: EntryPoint) -> Baseline:
    """What an installed package offers: a baseline, or a factory."""
    from scalegrid.baselines.factory import FactoryBaseline

    what = f"the baseline {point.name!r} of an installed package ({point.value})"
    try:
        offered: Any = point.load()
    except (Exception, SystemExit) as error:  # another package's code may raise anything
        raise UserError(f"{what} cannot be loaded: {one_line(error)}.") from error
    if isinstance(offered, Baseline):
        return offered
    if not callable(offered):
        raise UserError(
            f"{what} is neither a factory nor an object with all members of "
            f"scalegrid.baselines.Baseline, but of type {type(offered).__name__}."
        )
    return FactoryBaseline(point.name, offered)


def _unknown(name: str, known: list[str]) -> str:
    start = f"unknown baseline {name!r}: "
    if (module := name.removesuffix(".py")) and isfile(f"{module}.py"):
        return f"{start}for a function of {module}.py say {module}:FUNCTION."
    module, _, function = name.rpartition(".")
    if function.isidentifier() and isfile(f"{module}.py"):
        return f"{start}for a function of {module}.py say {module}:{function}."
    near = did_you_mean(name, known, most=3, cutoff=0.4)
    if not did_you_mean(name, known, cutoff=0.75) and _is_timm_model(name):
        return f"{start}to scale the timm model of that name, say 'timm/{name}'."
    if near:
        return f"{start}{near} `scalegrid baselines` lists all."
    return (
        f"{start}`scalegrid baselines` lists the names; timm/<model>, the path of a YAML "
        "definition and package.module:factory are understood too."
    )


def _is_timm_model(name: str) -> bool:
    import timm

    return bool(timm.is_model(name))
