"""From a name to a baseline."""

from __future__ import annotations

from difflib import SequenceMatcher
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from scalegrid.baselines import (
    convnext,
    efficientnet,
    mnasnet,
    mobilenetv1,
    mobilenetv2,
    mobilenetv3,
    nano,
    regnet,
    resnet,
)
from scalegrid.baselines.base import Baseline
from scalegrid.util.errors import UserError, one_line

ENTRY_POINTS = "scalegrid.baselines"
"""The entry-point group in which an installed package offers names of its own."""

INSTALLED = "installed"
"""The family of what installed packages offer."""

_DEFINITIONS = (".yaml", ".yml")

FAMILIES: dict[str, tuple[Baseline, ...]] = {
    "nano": nano.FAMILY,
    "EfficientNet": efficientnet.FAMILY,
    "EfficientNet-Lite": efficientnet.LITE,
    "MobileNetV1": mobilenetv1.FAMILY,
    "MobileNetV2": mobilenetv2.FAMILY,
    "MobileNetV3": mobilenetv3.FAMILY,
    "MnasNet": mnasnet.FAMILY,
    "ResNet": resnet.FAMILY,
    "RegNet": regnet.FAMILY,
    "ConvNeXt": convnext.FAMILY,
}
"""The built-in baselines, smallest first within a family."""

BUILT_IN: dict[str, Baseline] = {b.name: b for family in FAMILIES.values() for b in family}


def families() -> dict[str, list[str]]:
    """The names of all baselines that need no prefix, by family; installed packages' come last."""
    grouped = {family: [b.name for b in members] for family, members in FAMILIES.items()}
    offered = sorted(_offered().keys() - BUILT_IN.keys())
    return grouped | ({INSTALLED: offered} if offered else {})


def names() -> list[str]:
    """The names of all baselines that need no prefix, family by family."""
    return [name for members in families().values() for name in members]


def get(name: str) -> Baseline:
    """The baseline called ``name``, by the name and the working directory alone.

    A built-in name; one that an installed package offers; ``timm/<model>``; the path of a YAML
    definition; ``[folder/]package.module:factory``.

    Raises:
        UserError: there is none (the nearest names are given), or it cannot be read, imported or
            scaled; see `definition`, `factory` and `timm_models`.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name.startswith("timm/"):
        from scalegrid.baselines.timm_models import timm_baseline

        return timm_baseline(name)
    if name.endswith(_DEFINITIONS):
        from scalegrid.baselines.definition import definition_baseline

        return definition_baseline(name)
    if ":" in name:
        from scalegrid.baselines.factory import factory_baseline

        return factory_baseline(name)
    offered = _offered()
    if name in offered:
        return _from_package(offered[name])
    raise UserError(_unknown(name, [*BUILT_IN, *offered]))


def locate(name: str, folder: Path) -> str:
    """``name`` as `get` finds it from the working directory, where it may lie beside a spec.

    A YAML definition or a factory that is not found from the working directory is looked for in
    ``folder``, the one of the specification; other names are returned as they are.
    """
    if name.endswith(_DEFINITIONS):
        near = folder / name
        return near.as_posix() if not Path(name).exists() and near.exists() else name
    if ":" in name:
        from scalegrid.baselines.factory import beside

        return beside(name, folder)
    return name


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _from_package(point: EntryPoint) -> Baseline:
    """What an installed package offers: a baseline, or a factory."""
    from scalegrid.baselines.factory import FactoryBaseline

    try:
        offered: Any = point.load()
    except (Exception, SystemExit) as error:  # another package's code may raise anything
        raise UserError(
            f"the baseline {point.name!r} of an installed package ({point.value}) cannot be "
            f"loaded: {one_line(error)}."
        ) from error
    if all(hasattr(type(offered), method) for method in ("layout", "build")):
        baseline: Baseline = offered
        return baseline
    if not callable(offered):
        raise UserError(
            f"the baseline {point.name!r} of an installed package ({point.value}) is neither a "
            f"baseline nor a factory, but a {type(offered).__name__}."
        )
    return FactoryBaseline(point.name, offered)


def _unknown(name: str, known: list[str]) -> str:
    likeness = {k: SequenceMatcher(None, name.lower(), k).ratio() for k in known}
    near = sorted((k for k in known if likeness[k] >= 0.4), key=lambda k: -likeness[k])[:3]
    start = f"unknown baseline {name!r}: "
    if (not near or likeness[near[0]] < 0.75) and _is_timm_model(name):
        return f"{start}to scale the timm model of that name, say 'timm/{name}'."
    if near:
        meant = " or ".join(map(repr, near))
        return f"{start}did you mean {meant}? `scalegrid baselines` lists all."
    return (
        f"{start}`scalegrid baselines` lists the names; timm/<model>, the path of a YAML "
        "definition and package.module:factory are understood too."
    )


def _is_timm_model(name: str) -> bool:
    import timm

    return bool(timm.is_model(name))
