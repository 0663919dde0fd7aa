"""The models of an exported family: what builds each, and how its images are prepared."""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from scalegrid.baselines import Baseline, skeleton
from scalegrid.baselines.construction import Call, Constructed
from scalegrid.family.export.naming import named
from scalegrid.family.family import Family
from scalegrid.family.sizes import Size
from scalegrid.family.start import Start
from scalegrid.util.errors import UserError

RATES = {"drop_rate": "dropout", "drop_path_rate": "drop_path"}
"""timm's names of the rates of a size."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """A size, the call that builds it, and the share of the side that timm crops to evaluate."""

    name: str
    size: Size
    call: Call
    crop_pct: float


@dataclass(frozen=True)
class Models:
    """All models of an export.

    ``baseline`` is its name, of a definition in YAML that of the file without its folder.
    ``own`` says whether the user's code builds them; ``takes`` are those of ``in_chans`` and of
    `RATES` that the constructor has parameters for; ``images`` are the settings of images that all
    share, as timm calls them; ``features`` are the setting of ``features_only``, none where timm's
    own holds or it is not known.
    """

    baseline: str
    models: list[Model]
    own: bool
    takes: frozenset[str]
    images: Settings
    in_chans: int
    num_classes: int
    features: Settings = field(default_factory=dict)

    @property
    def rates(self) -> list[str]:
        """Those of `RATES` that the models have."""
        return [key for key in RATES if key in self.takes]


def models_of(family: Family, package: str) -> Models:
    """The exact sizes of a family, or if it has none those of the formula, as models.

    Args:
        family: whose sizes have costs already.
        package: with whose name the names of models begin.

    Raises:
        UserError: what builds the networks is not known, or two sizes have one name.
    """
    start = family.terms.start
    baseline: Baseline = start.baseline
    if not isinstance(baseline, Constructed):
        raise UserError(
            f"{baseline.name} is an object of an installed package and builds its networks itself, "
            "so that --export has no constructor to write down; offer a factory instead."
        )
    images = _preparation(start)
    border = start.resolution * (1 / images.pop("crop_pct") - 1)
    sizes = named(package, family.by("exact") or family.by("formula"))
    calls = {
        name: baseline.construction(size.depth, size.width, size.resolution)
        for name, size in sizes.items()
    }
    own, first = baseline.origin == "code", next(iter(sizes))
    takes = _parameters(calls[first])
    network = _skeleton(start, sizes[first])
    images |= _ends(network, start)
    return Models(
        PurePath(baseline.name).name if baseline.origin == "yaml" else baseline.name,
        [
            Model(
                name,
                size,
                _regularised(calls[name], size, takes),
                round(size.resolution / (size.resolution + border), 3),
            )
            for name, size in sizes.items()
        ],
        own,
        takes,
        images,
        start.costs.in_chans,
        start.costs.num_classes,
        {} if own else _features(network, calls[first]),
    )


def _regularised(call: Call, size: Size, takes: frozenset[str]) -> Call:
    rates = {key: round(getattr(size, own), 4) for key, own in RATES.items() if key in takes}
    return replace(call, settings=call.settings | rates)


def _preparation(start: Start) -> Settings:
    """As timm prepares images for its model, or by default; by 0.5 if bands are not three."""
    from scalegrid.baselines.timm_entry import preparation

    name, in_chans = start.baseline.name, start.costs.in_chans
    prepared = preparation(name.removeprefix("timm/") if name.startswith("timm/") else None)
    if len(prepared["mean"]) == in_chans:
        return prepared
    return prepared | {"mean": (0.5,) * in_chans, "std": (0.5,) * in_chans}


def _parameters(call: Call) -> frozenset[str]:
    """Which parameters that timm may give a network its constructor has, or one it inherits."""
    from scalegrid.baselines.timm_entry import all_settings

    with suppress(ValueError, TypeError):  # of what has no signature, such as code in C
        has = {*inspect.signature(call.function).parameters, *all_settings(call.function, {})}
        return frozenset(has.intersection(("in_chans", *RATES)))
    return frozenset()


def _skeleton(start: Start, size: Size) -> Any:
    costs, px = start.costs, size.resolution
    return skeleton(start.baseline, size.depth, size.width, costs.num_classes, px, costs.in_chans)


def _ends(network: Any, start: Start) -> Settings:
    from scalegrid.baselines.introspection import ends

    first, last = ends(network, start.costs.in_chans, start.costs.num_classes)
    return {"num_classes": start.costs.num_classes, "first_conv": first, "classifier": last}


def _features(network: Any, call: Call) -> Settings:
    """What ``features_only`` needs, where timm's own entry point does not say it already."""
    info = getattr(network, "feature_info", None)
    if call.settings.get("feature_cfg") is not None or not isinstance(info, list):
        return {}
    nested = any("." in one["module"] for one in info)
    flat = {"flatten_sequential": True} if nested else {}
    return {"feature_cfg": {"out_indices": tuple(range(len(info))), **flat}}
